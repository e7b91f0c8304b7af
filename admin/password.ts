/**
 * Where a new password comes from.
 *
 * Rules of this file: no message repeats it.
 */
import { randomBytes } from 'node:crypto';
import { CommandError } from './command-error.ts';
import type { PasswordSource } from './principals-command-line.ts';
import type { Terminal } from './terminal.ts';

const FEWEST_BYTES = 8;
const MOST_BYTES = 256;
/** 144 bits, in 24 characters. */
const GENERATED_BYTES = 18;

/** Undefined: there is to be none. @throws CommandError */
export const newPassword = async (
  source: PasswordSource,
  name: string,
  terminal: Terminal,
): Promise<Uint8Array | undefined> => {
  if (source === 'none') return undefined;
  if (source === 'generated') return new TextEncoder().encode(randomBytes(GENERATED_BYTES).toString('base64url'));
  const password = terminal.isInteractive ? await askTwice(name, terminal) : await terminal.readLine(MOST_BYTES + 2);
  if (password.length === 0) throw new CommandError('There is no password: nothing was changed.');
  if (password.length < FEWEST_BYTES || password.length > MOST_BYTES) {
    throw new CommandError(
      `The password has ${password.length} bytes: it must have ${FEWEST_BYTES} to ${MOST_BYTES}. Nothing was changed.`,
    );
  }
  return password;
};

const askTwice = async (name: string, terminal: Terminal): Promise<Uint8Array> => {
  const [first = new Uint8Array(), second = first] = await terminal.askHidden([
    `New password of ${name}: `,
    'The same once more: ',
  ]);
  if (Buffer.compare(first, second) !== 0) throw new CommandError('The two are not the same: nothing was changed.');
  return first;
};
