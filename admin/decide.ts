/**
 * What the broker would decide, and by which statement.
 *
 * Rules of this file: it asks what the broker asks, with the broker's own code: nothing here knows how policies are judged.
 */
import { systemClock } from '../src/aws/clock.ts';
import { callerValues } from '../src/broker/authenticate-by-handshake.ts';
import { grantOfPassword } from '../src/broker/authenticate-by-password.ts';
import { createAuthority } from '../src/broker/authority.ts';
import { questionsOfConnect } from '../src/broker/authorize-connect.ts';
import type { Grant, Identity } from '../src/broker/ports.ts';
import { createMemoryIdentity } from '../src/memory/identity.ts';
import type { Decision, Question, StatementPlace } from '../src/policy/permit.ts';
import type { ClientId } from '../src/session/ids.ts';
import { CommandError } from './command-error.ts';
import { isArn } from './names.ts';
import type { TestCommand } from './policies-command-line.ts';

export interface Verdict {
  readonly answers: readonly { readonly question: Question; readonly decision: Decision }[];
  /** Policies that are attached, and do not exist. */
  readonly missing: readonly string[];
}

/** What the policies come from: what is attached to a principal, or files by name. */
export type Source =
  | { readonly principal: string; readonly identity: Identity }
  | { readonly files: ReadonlyMap<string, string> };

/** Keeps nothing for longer than the one answer. */
const memory = { policyCheckSeconds: 60, policyCacheSeconds: 60, policyCacheEntries: 1_000 };

/** @throws CommandError where there is no such principal */
export async function decide(command: TestCommand, arnBase: string, source: Source): Promise<Verdict> {
  const { mode } = command;
  const missing: string[] = [];
  const identity = 'files' in source ? await ofFiles(source.files) : source.identity;
  const authority = createAuthority({
    identity: {
      ...identity,
      policy: async (name) => {
        const document = await identity.policy(name);
        if (document === undefined) missing.push(name);
        return document;
      },
    },
    clock: systemClock,
    log: () => {},
    settings: { ...memory, authentication: 'password', connectAttributes: mode },
    arnBase,
  });
  const grant = await grantOf(command.values, source);
  const permit = await authority.permitFor(grant, command.clientId as ClientId);
  const answers = questionsOf(command, authority.arnOf).map((question) => ({
    question,
    decision: permit.decide(question),
  }));
  return { answers, missing };
}

const ofFiles = async (files: ReadonlyMap<string, string>): Promise<Identity> => {
  const identity = createMemoryIdentity(systemClock);
  for (const [name, document] of files) await identity.putPolicy(name, document);
  return identity;
};

const grantOf = async (values: Grant['values'], source: Source): Promise<Grant> => {
  const nobody: Grant = { principal: '', records: [], policies: [], documents: [], values };
  if ('files' in source) return { ...nobody, policies: [...source.files.keys()] };
  const { principal, identity } = source;
  if (!(await identity.principal(principal))) {
    throw new CommandError(`There is no principal ${principal}: "principals list" shows who there is.`);
  }
  if (!isArn(principal)) return grantOfPassword(principal, values);
  return { ...nobody, records: [principal], values: { ...values, ...callerValues({ callerArn: principal }) } };
};

const questionsOf = (
  { action, clientId, resource, persistent, willTopic }: TestCommand,
  arnOf: (resource: string) => string,
): readonly Question[] => {
  if (action !== 'iot:Connect') return [{ action, resource }];
  const will = willTopic === undefined ? undefined : { topic: willTopic, retain: false };
  return questionsOfConnect(clientId as ClientId, { persistent, will }, arnOf);
};

export const verdictInWords = ({ answers }: Verdict): readonly string[] =>
  answers.map(({ question: { action, resource }, decision }) => {
    const word = decision.allowed ? 'allowed' : 'denied';
    return `${word.padEnd(8)} ${action} on ${resource}: ${reasonOf(decision)}`;
  });

const reasonOf = (decision: Decision): string => {
  if (decision.allowed) return placeInWords(decision.by);
  switch (decision.because) {
    case 'denied':
      return placeInWords(decision.by);
    case 'not allowed':
      return 'no statement allows it';
    case 'attribute not granted':
      return 'in mode strict a condition has to name each of iot:ConnectAttributes, or the will in iot:LastWillTopic';
    case 'malformed':
      return `the policy ${decision.policy} cannot be read. ${decision.problem}`;
  }
};

const placeInWords = ({ policy, statement, sid }: StatementPlace): string =>
  `statement ${statement}${sid === undefined ? '' : ` (${sid})`} of ${policy}`;
