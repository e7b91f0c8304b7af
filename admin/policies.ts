/**
 * The command `serverless-mqtt policies`: what clients may do.
 *
 * Rules of this file: what the broker could not read is not stored. It would deny everything to everybody who has it attached.
 */
import { readFile } from 'node:fs/promises';
import { MAX_CHARACTERS } from '../src/policy/json.ts';
import { type ReadPolicy, readPolicy } from '../src/policy/read-policy.ts';
import { inColumns } from './columns.ts';
import { CommandError } from './command-error.ts';
import { decide, type Verdict, verdictInWords } from './decide.ts';
import { type PoliciesCommand, readCommandLine, type TestCommand, usage } from './policies-command-line.ts';
import { conclude, everything, type Opened, realWorld, type World, withIdentity } from './run.ts';
import type { Terminal } from './terminal.ts';

type Command<K extends PoliciesCommand['kind']> = Extract<PoliciesCommand, { kind: K }>;

const DENIED = 3;
const MOST_NAMED = 20;
const MOST_BYTES_OF_CHARACTER = 4;

/** @returns the exit code */
export const main = (argv: readonly string[], world: World = realWorld()): Promise<number> =>
  conclude('serverless-mqtt policies --help', world.terminal, async () => {
    const command = readCommandLine(argv);
    switch (command.kind) {
      case 'help':
        world.terminal.print(usage);
        return 0;
      case 'test':
        return test(command, world);
      case 'put':
        return put(command, world);
      default:
        await withIdentity(world, command.place, (opened) => run(command, opened, world.terminal));
        return 0;
    }
  });

const run = (command: Command<'get' | 'list' | 'remove'>, opened: Opened, terminal: Terminal): Promise<void> => {
  switch (command.kind) {
    case 'get':
      return get(command, opened, terminal);
    case 'list':
      return list(command, opened, terminal);
    case 'remove':
      return remove(command, opened, terminal);
  }
};

const put = async ({ name, file, place }: Command<'put'>, world: World): Promise<number> => {
  const { terminal } = world;
  const document = await readDocument(file, terminal);
  const policy = readPolicy({ name, document });
  if ('problem' in policy) throw new CommandError(`${inWords(file)} is no policy. ${policy.problem}`);
  await withIdentity(world, place, ({ administration }) => administration.putPolicy(name, document));
  terminal.say(`The policy ${name} is stored: ${statementsOf(policy)}.`);
  return 0;
};

const get = async ({ name }: Command<'get'>, { identity }: Opened, { print }: Terminal): Promise<void> => {
  const document = await identity.policy(name);
  if (document === undefined) throw unknown(name);
  print(document.replace(/\n$/, ''));
};

const list = async (
  { json }: Command<'list'>,
  { administration, step }: Opened,
  { print }: Terminal,
): Promise<void> => {
  const found = await everything('policies', administration.listPolicies, step);
  const policies = found.map(([name, document]) => ({ document, policy: readPolicy({ name, document }) }));
  if (json) {
    const view = ({ document, policy }: (typeof policies)[number]) => ({
      name: policy.name,
      ...('problem' in policy ? { problem: policy.problem } : { statements: policy.statements.length }),
      document,
    });
    print(JSON.stringify(policies.map(view), undefined, 2));
    return;
  }
  print(inColumns([['NAME', 'HOLDS'], ...policies.map(({ policy }) => [policy.name, statementsOf(policy)])]));
};

const remove = async (
  { name, force }: Command<'remove'>,
  { administration, step }: Opened,
  { say }: Terminal,
): Promise<void> => {
  if (!force) {
    const principals = await everything('principals', administration.listPrincipals, step);
    const holders = principals.filter(([, { policies }]) => policies.includes(name)).map(([holder]) => holder);
    if (holders.length > 0) throw new CommandError(stillAttached(name, holders));
  }
  if (!(await administration.removePolicy(name))) throw unknown(name);
  say(`The policy ${name} is removed.`);
};

const stillAttached = (name: string, holders: readonly string[]): string => {
  const more = holders.length - MOST_NAMED;
  const named = holders.slice(0, MOST_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '');
  return (
    `The policy ${name} is attached to ${named}. "principals detach" takes it from them. ` +
    '--force removes it even so: they may then do what it denied, and not what it allowed.'
  );
};

const test = async (command: TestCommand, world: World): Promise<number> => {
  const { print, say } = world.terminal;
  const verdict = await judge(command, world);
  for (const name of verdict.missing) say(`The policy ${name} is attached, and there is none: it counts for nothing.`);
  for (const line of verdictInWords(verdict)) print(line);
  return verdict.answers.every(({ decision }) => decision.allowed) ? 0 : DENIED;
};

const judge = async (command: TestCommand, world: World): Promise<Verdict> => {
  const { of, place, arnBase } = command;
  const source = 'files' in of ? { files: await readFiles(of.files, world.terminal) } : of;
  const known = arnBase ?? (place.kind === 'endpoint' ? place.arnBase : undefined);
  if ('files' in source && known !== undefined) return decide(command, known, source);
  return withIdentity(world, place, (opened) => {
    const found = known ?? opened.arnBase;
    if (found === undefined) {
      throw new CommandError(
        'With --table, --resource must be a whole ARN: nothing else tells the account and the Region.',
      );
    }
    return decide(command, found, 'files' in source ? source : { ...source, identity: opened.identity });
  });
};

// ── Parts of these ──────────────────────────────────────────────────────────────────────────────────────────────────

const readFiles = async (files: readonly string[], terminal: Terminal): Promise<ReadonlyMap<string, string>> => {
  const documents = new Map<string, string>();
  for (const file of files) documents.set(inWords(file), await readDocument(file, terminal));
  return documents;
};

const readDocument = async (file: string, terminal: Terminal): Promise<string> => {
  const bytes = file === '-' ? await terminal.readAll(MAX_CHARACTERS * MOST_BYTES_OF_CHARACTER) : await readBytes(file);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CommandError(`${inWords(file)} is not text in UTF-8.`);
  }
};

const readBytes = async (file: string): Promise<Uint8Array> => {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CommandError(`The policy cannot be read: ${(error as Error).message}`);
  }
};

const inWords = (file: string): string => (file === '-' ? 'Standard input' : file);

const unknown = (name: string): CommandError =>
  new CommandError(`There is no policy ${name}: "policies list" shows those there are.`);

const statementsOf = (policy: ReadPolicy): string => {
  if ('problem' in policy) return `nothing that can be read, so it denies everything: ${policy.problem}`;
  return policy.statements.length === 1 ? '1 statement' : `${policy.statements.length} statements`;
};
