/** The operator's commands on an identity table in memory, with somebody at the terminal or a program at standard input. */
import { CommandError } from '../../admin/command-error.ts';
import { main as policies } from '../../admin/policies.ts';
import { main as principals } from '../../admin/principals.ts';
import type { World } from '../../admin/run.ts';
import type { Terminal } from '../../admin/terminal.ts';
import type { IdentityPlace } from '../../src/aws/identity-place.ts';
import type { IdentityAdministration } from '../../src/broker/ports.ts';
import { createMemoryIdentity } from '../../src/memory/identity.ts';
import { plainPasswords } from '../broker/credentials.ts';

export const ARN_BASE = 'arn:aws:iot:eu-central-1:123456789012:';

export interface Given {
  /** What is typed to each question. Without it nobody sits at the terminal. */
  readonly typed?: readonly string[];
  /** Standard input. */
  readonly input?: string;
}

const commands = { principals, policies };

/** @param world what is not as usual: another table, or none */
export function createAdmin({ open, passwords = plainPasswords }: Partial<Pick<World, 'open' | 'passwords'>> = {}) {
  const identity = createMemoryIdentity({ now: () => 0 });
  const places: IdentityPlace[] = [];
  let closed = 0;
  const administration: IdentityAdministration = { ...identity };

  const run = async (command: keyof typeof commands, argv: readonly string[], given: Given = {}) => {
    const out: string[] = [];
    const said: string[] = [];
    const asked: string[] = [];
    const world: World = {
      terminal: {
        ...terminalOf(given, asked),
        print: (text) => void out.push(text),
        say: (text) => void said.push(text),
      },
      passwords,
      open:
        open ??
        (async (place) => {
          places.push(place);
          const arnBase = place.kind === 'table' ? undefined : ARN_BASE;
          return { identity, administration, arnBase, close: () => void closed++ };
        }),
    };
    const code = await commands[command](argv, world);
    return { code, out: out.join('\n'), said: said.join('\n'), asked };
  };

  return {
    identity,
    administration,
    places,
    isClosed: () => closed === places.length,
    principals: (argv: string, given?: Given) => run('principals', words(argv), given),
    policies: (argv: string, given?: Given) => run('policies', words(argv), given),
    run,
  };
}

const words = (line: string): readonly string[] => line.split(' ').filter((word) => word !== '');

const terminalOf = (
  { typed, input = '' }: Given,
  asked: string[],
): Pick<Terminal, 'isInteractive' | 'askHidden' | 'readLine' | 'readAll'> => ({
  isInteractive: typed !== undefined,
  askHidden: async (questions) => {
    asked.push(...questions);
    if (typed === undefined || typed.length < questions.length) throw new CommandError('Broken off.');
    return typed.map((text) => new TextEncoder().encode(text));
  },
  readLine: async () => new TextEncoder().encode(input.split('\n')[0]),
  readAll: async () => new TextEncoder().encode(input),
});

/** A policy whose statements are these. */
export const policyOf = (...statements: readonly object[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });

export const allowed = (Action: string, resource: string, more: object = {}) => ({
  Effect: 'Allow',
  Action,
  Resource: `arn:aws:iot:*:*:${resource}`,
  ...more,
});
