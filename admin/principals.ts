/**
 * The command `serverless-mqtt principals`: who may connect.
 *
 * Rules of this file:
 * - What can be refused is refused before a password is asked for, and nothing is half done.
 * - A policy that does not exist is not attached: a client whose only policy is misspelt may do nothing, and nobody is told.
 */
import { systemClock } from '../src/aws/clock.ts';
import { isLocked } from '../src/broker/failed-logins.ts';
import type { FailedLogins, Principal } from '../src/broker/ports.ts';
import { inColumns } from './columns.ts';
import { CommandError } from './command-error.ts';
import { roleOfSession } from './names.ts';
import { newPassword } from './password.ts';
import { type PasswordSource, type PrincipalsCommand, readCommandLine, usage } from './principals-command-line.ts';
import { conclude, everything, type Opened, realWorld, type World, withIdentity } from './run.ts';

type Command<K extends PrincipalsCommand['kind']> = Extract<PrincipalsCommand, { kind: K }>;

/** @returns the exit code */
export const main = (argv: readonly string[], world: World = realWorld()): Promise<number> =>
  conclude('serverless-mqtt principals --help', world.terminal, async () => {
    const command = readCommandLine(argv);
    if (command.kind === 'help') world.terminal.print(usage);
    else await withIdentity(world, command.place, (opened) => run(command, opened, world));
    return 0;
  });

const run = (command: Exclude<PrincipalsCommand, { kind: 'help' }>, opened: Opened, world: World): Promise<void> => {
  const { print, say } = world.terminal;
  switch (command.kind) {
    case 'add':
      return add(command, opened, world);
    case 'passwd':
      return changePassword(command, opened, world);
    case 'set':
      return setAttributes(command, opened, say);
    case 'attach':
      return attach(command, opened, say);
    case 'detach':
      return detach(command, opened, say);
    case 'unlock':
      return unlock(command, opened, say);
    case 'remove':
      return remove(command, opened, say);
    case 'show':
      return show(command, opened, print);
    case 'list':
      return list(command, opened, print);
  }
};

type Print = (text: string) => void;

const add = async (
  { name, policies, attributes, password }: Command<'add'>,
  opened: Opened,
  world: World,
): Promise<void> => {
  const { identity, administration } = opened;
  const taken = () =>
    new CommandError(
      `There is a principal ${name} already: "passwd", "set" and "attach" change it. Nothing was changed.`,
    );
  if (await identity.principal(name)) throw taken();
  await refuseMissing(policies, opened);
  const { passwordHash, reveal } = await makePassword(password, name, opened, world);
  if (!(await administration.addPrincipal(name, { passwordHash, policies, attributes }))) throw taken();
  reveal();
  const attached = policies.length === 0 ? 'no policy yet, so it may do nothing' : policies.join(', ');
  world.terminal.say(`${name} is entered, with ${attached}.`);
  const role = roleOfSession(name);
  if (role !== undefined) world.terminal.say(`It is this one session of the role alone; all of them are ${role}.`);
};

const changePassword = async ({ name, password }: Command<'passwd'>, opened: Opened, world: World): Promise<void> => {
  const { identity, administration } = opened;
  if (!(await identity.principal(name))) throw unknown(name);
  const { passwordHash, reveal } = await makePassword(password, name, opened, world);
  await edit(name, opened, (principal) => ({ ...principal, passwordHash }));
  // Whoever forgot the old one has been guessing.
  await administration.unlock(name);
  reveal();
  world.terminal.say(passwordHash === '' ? `${name} has no password any more.` : `${name} has another password.`);
};

const setAttributes = async ({ name, attributes }: Command<'set'>, opened: Opened, say: Print): Promise<void> => {
  const changed = Object.keys(attributes).map((key) => key.toLowerCase());
  const { attributes: now } = await edit(name, opened, (principal) => {
    const kept = Object.entries(principal.attributes).filter(([key]) => !changed.includes(key.toLowerCase()));
    const given = Object.entries(attributes).filter(([, value]) => value !== '');
    return { ...principal, attributes: Object.fromEntries([...kept, ...given]) };
  });
  say(`${name} has ${attributesInWords(now) || 'no attributes'}.`);
};

const attach = async ({ name, policies }: Command<'attach'>, opened: Opened, say: Print): Promise<void> => {
  await refuseMissing(policies, opened);
  const { policies: now } = await edit(name, opened, (principal) => ({
    ...principal,
    policies: [...new Set([...principal.policies, ...policies])],
  }));
  say(`${name} has ${now.join(', ')}.`);
};

const detach = async ({ name, policies }: Command<'detach'>, opened: Opened, say: Print): Promise<void> => {
  const { policies: now } = await edit(name, opened, (principal) => {
    const strangers = policies.filter((policy) => !principal.policies.includes(policy));
    if (strangers.length > 0) {
      throw new CommandError(`${name} does not have ${strangers.join(', ')} attached: nothing was changed.`);
    }
    return { ...principal, policies: principal.policies.filter((policy) => !policies.includes(policy)) };
  });
  say(`${name} has ${now.join(', ') || 'no policy, so it may do nothing'}.`);
};

const unlock = async ({ name }: Command<'unlock'>, { administration }: Opened, say: Print): Promise<void> => {
  say((await administration.unlock(name)) ? `${name} is unlocked.` : `No wrong passwords were known of ${name}.`);
};

const remove = async ({ name }: Command<'remove'>, { administration }: Opened, say: Print): Promise<void> => {
  if (!(await administration.removePrincipal(name))) throw unknown(name);
  say(`${name} is removed.`);
};

const show = async ({ name, json }: Command<'show'>, { identity }: Opened, print: Print): Promise<void> => {
  const [principal, logins] = await Promise.all([identity.principal(name), identity.failedLogins(name)]);
  if (!principal) throw unknown(name);
  const missing = await missingOf(principal.policies, identity);
  if (json) {
    print(
      JSON.stringify(
        { ...view(name, principal), missingPolicies: missing, ...(logins && { failedLogins: logins }) },
        undefined,
        2,
      ),
    );
    return;
  }
  const policies = principal.policies.map((policy) =>
    missing.includes(policy) ? `${policy} (there is none)` : policy,
  );
  print(
    inColumns([
      ['name', name],
      ['password', principal.passwordHash === '' ? 'none' : 'yes'],
      ['policies', policies.join(', ') || 'none'],
      ['attributes', attributesInWords(principal.attributes) || 'none'],
      ['wrong passwords', loginsInWords(logins)],
    ]),
  );
};

const list = async ({ json }: Command<'list'>, { administration, step }: Opened, print: Print): Promise<void> => {
  const principals = await everything('principals', administration.listPrincipals, step);
  if (json) {
    print(
      JSON.stringify(
        principals.map(([name, principal]) => view(name, principal)),
        undefined,
        2,
      ),
    );
    return;
  }
  const rows = principals.map(([name, { passwordHash, policies, attributes }]) => [
    name,
    passwordHash === '' ? 'none' : 'yes',
    policies.join(', '),
    attributesInWords(attributes),
  ]);
  print(inColumns([['NAME', 'PASSWORD', 'POLICIES', 'ATTRIBUTES'], ...rows]));
};

// ── Parts of these ──────────────────────────────────────────────────────────────────────────────────────────────────

/** `reveal` prints a password that nobody knows yet: once it counts. */
const makePassword = async (
  source: PasswordSource,
  name: string,
  { step }: Opened,
  { terminal, passwords }: World,
): Promise<{ readonly passwordHash: string; reveal(): void }> => {
  step(undefined);
  const password = await newPassword(source, name, terminal);
  step('Waiting for the identity table');
  return {
    passwordHash: password === undefined ? '' : await passwords.hash(password),
    reveal: () => {
      if (source === 'generated') terminal.print(new TextDecoder().decode(password));
    },
  };
};

/** @throws CommandError where there is no such principal */
const edit = async (
  name: string,
  { administration }: Opened,
  change: (principal: Principal) => Principal,
): Promise<Principal> => {
  const edited = await administration.editPrincipal(name, change);
  if (!edited) throw unknown(name);
  return edited;
};

const unknown = (name: string): CommandError =>
  new CommandError(`There is no principal ${name}: "principals list" shows who there is.`);

const missingOf = async (policies: readonly string[], identity: Opened['identity']): Promise<readonly string[]> => {
  const found = await Promise.all(policies.map((policy) => identity.policy(policy)));
  return policies.filter((_, index) => found[index] === undefined);
};

const refuseMissing = async (policies: readonly string[], { identity }: Opened): Promise<void> => {
  const missing = await missingOf(policies, identity);
  if (missing.length === 0) return;
  throw new CommandError(
    `There is no policy ${missing.join(', ')}: "policies list" shows those there are, "policies put" stores one. ` +
      'Nothing was changed.',
  );
};

/** What may be shown of a principal. */
const view = (name: string, { passwordHash, policies, attributes }: Principal) => ({
  name,
  password: passwordHash !== '',
  policies,
  attributes,
});

const attributesInWords = (attributes: Principal['attributes']): string =>
  Object.entries(attributes)
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');

const loginsInWords = (logins: FailedLogins | undefined): string => {
  if (!logins || logins.failures === 0) return 'none';
  return isLocked(logins, systemClock.now()) ? `${logins.failures}, and locked for now` : String(logins.failures);
};
