/**
 * What a decision about a policy costs: ten statements, one client, one question after the other.
 *
 *     npx tsx bench/policy-decisions.ts [--statements 10] [--decisions 200000]
 *
 * Rules of this file: it prints numbers and judges nothing. Times are those of this machine.
 */
import { parseArgs } from 'node:util';
import { bindPolicies } from '../src/policy/bind-policies.ts';
import type { Question, Values } from '../src/policy/permit.ts';
import { readPolicy } from '../src/policy/read-policy.ts';

const help = `Usage: npx tsx bench/policy-decisions.ts [options]

  --statements N   how many the policy has (10)
  --decisions N    how many questions are asked in each row (200000)`;

const { values } = parseArgs({
  options: {
    statements: { type: 'string', default: '10' },
    decisions: { type: 'string', default: '200000' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(help);
  process.exit(0);
}
const [statements, decisions] = [Number(values.statements), Number(values.decisions)];

const arnBase = 'arn:aws:iot:us-east-1:123456789012:';
const client: Values = new Map([
  ['iot:clientid', 'pump-7'],
  ['aws:sourceip', '203.0.113.9'],
]);
const publish: Question = { action: 'iot:Publish', resource: 'topic/plant/7/pump-7/temperature' };
const connect: Question = {
  action: 'iot:Connect',
  resource: 'client/pump-7',
  values: new Map<string, string | readonly string[]>([
    ['iot:connectattributes', ['PersistentConnect', 'LastWill']],
    ['iot:lastwilltopic', `${arnBase}topic/plant/7/pump-7/will`],
  ]),
};

type Statement = Readonly<Record<string, unknown>>;
const statement = (effect: string, rest: string, more: Statement = {}): Statement => ({
  Effect: effect,
  Action: 'iot:*',
  Resource: `${arnBase}${rest}`,
  ...more,
});
/** All but the last are about something else. */
const last = (other: (index: number) => Statement, one: Statement): readonly Statement[] => [
  ...Array.from({ length: statements - 1 }, (_, index) => other(index)),
  one,
];
const others = (index: number) => statement('Allow', `topic/plant/7/pump-${index + 8}/*`);
const fromInside = {
  IpAddress: { 'aws:SourceIp': ['203.0.113.0/24', '2001:db8::/32'] },
  StringLike: { 'iot:ClientId': 'pump-*' },
};
const forAll = (...attributes: readonly string[]) => ({
  Condition: {
    'ForAllValues:StringEquals': { 'iot:ConnectAttributes': attributes },
    ArnLikeIfExists: { 'iot:LastWillTopic': `${arnBase}topic/plant/*/\${iot:ClientId}/will` },
  },
});

const rows: readonly (readonly [string, readonly Statement[], Question])[] = [
  ['allowed by the last', last(others, statement('Allow', 'topic/plant/7/pump-7/*')), publish],
  ['denied by the last', last(others, statement('Deny', 'topic/plant/7/pump-7/*')), publish],
  ['nothing matches', last(others, statement('Allow', 'topic/plant/7/pump-6/*')), publish],
  [
    'variables',
    last(
      (index) => statement('Allow', `topic/plant/7/\${iot:ClientId}/${index}`),
      statement('Allow', `topic/plant/*/\${iot:ClientId}/*`),
    ),
    publish,
  ],
  [
    'a variable without a value in each',
    last(
      (index) => statement('Allow', `topic/plant/\${app:none}/${index}`),
      statement('Allow', `topic/plant/*/\${iot:ClientId}/*`),
    ),
    publish,
  ],
  [
    'conditions on the client in each',
    last(
      (index) =>
        statement('Deny', 'topic/plant/*', { Condition: { ...fromInside, Bool: { [`app:flag${index}`]: 'true' } } }),
      statement('Allow', 'topic/plant/7/*', { Condition: fromInside }),
    ),
    publish,
  ],
  [
    'a CONNECT with conditions in each',
    last(
      () => statement('Allow', 'client/*', forAll('LastWill')),
      statement('Allow', 'client/*', forAll('PersistentConnect', 'LastWill')),
    ),
    connect,
  ],
];

/** Of the processor, so that what else runs here does not count. */
const time = (work: () => unknown, count: number): number => {
  const from = process.cpuUsage();
  for (let index = 0; index < count; index++) work();
  const { user, system } = process.cpuUsage(from);
  return (user + system) / count;
};

console.log(`${statements} statements, ${decisions} decisions; µs each`);
console.log(`${'decide'.padStart(8)}${'bind'.padStart(8)}${'read'.padStart(8)}`);
for (const [name, written, question] of rows) {
  const named = { name, document: JSON.stringify({ Version: '2012-10-17', Statement: written }) };
  const policy = readPolicy(named);
  const bind = () => bindPolicies([policy], { values: client, arnBase, connectAttributes: 'strict' });
  const permit = bind();
  const { allowed, ...why } = permit.decide(question);
  // Once before, for the compiler.
  time(() => permit.decide(question), decisions / 10);
  const took = [
    time(() => permit.decide(question), decisions),
    time(bind, decisions / 100),
    time(() => readPolicy(named), decisions / 100),
  ];
  const answer = allowed ? 'allowed' : 'because' in why ? why.because : '';
  console.log(`${took.map((each) => each.toFixed(2).padStart(8)).join('')}  ${name}: ${answer}`);
}
