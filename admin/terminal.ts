/**
 * Who types a command, and who reads what it prints.
 *
 * Rules of this file:
 * - What was asked for goes to standard output, all that there is to say about it to standard error: so that a program can take the
 *   one and a person reads both.
 * - What is typed hidden is shown nowhere, and kept nowhere but in the answer.
 */
import { Console } from 'node:console';
import { createInterface } from 'node:readline';
import { type Readable, Writable } from 'node:stream';
import { CommandError } from './command-error.ts';

export interface Terminal {
  print(text: string): void;
  say(text: string): void;
  /** Somebody sits there who can be asked. */
  readonly isInteractive: boolean;
  /** What was typed to each question, in UTF-8. @throws CommandError where it was broken off */
  askHidden(questions: readonly string[]): Promise<readonly Uint8Array[]>;
  /** The first line of standard input, without its end; all of it where there is no other. @throws CommandError where it is longer */
  readLine(mostBytes: number): Promise<Uint8Array>;
  /** All of standard input. @throws CommandError where it is longer */
  readAll(mostBytes: number): Promise<Uint8Array>;
}

export interface Streams {
  readonly input: Readable & { readonly isTTY?: boolean };
  readonly output: Writable;
  readonly error: Writable;
}

const NEWLINE = 10;
const RETURN = 13;

export function createTerminal({ input, output, error }: Streams): Terminal {
  // It bears with a reader that goes away, such as head.
  const console = new Console(output, error);
  return {
    print: (text) => console.log(text),
    say: (text) => console.error(text),
    isInteractive: input.isTTY === true,

    askHidden: async (questions) => {
      const lines = createInterface({ input, output: nowhere(), terminal: true, historySize: 0 });
      lines.once('SIGINT', () => lines.close());
      const typed = lines[Symbol.asyncIterator]();
      const answers: Uint8Array[] = [];
      try {
        for (const question of questions) {
          error.write(question);
          const { value, done } = await typed.next();
          error.write('\n');
          if (done) throw new CommandError('Broken off: nothing was changed.');
          answers.push(new TextEncoder().encode(value));
        }
        return answers;
      } finally {
        lines.close();
      }
    },

    readLine: async (mostBytes) => {
      const bytes = await read(input, mostBytes, (chunk) => chunk.includes(NEWLINE));
      const end = bytes.indexOf(NEWLINE);
      const line = end < 0 ? bytes : bytes.subarray(0, end);
      return line.at(-1) === RETURN ? line.subarray(0, -1) : line;
    },

    readAll: (mostBytes) => read(input, mostBytes, () => false),
  };
}

const nowhere = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

const read = async (input: Readable, most: number, isLast: (chunk: Buffer) => boolean): Promise<Uint8Array> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    chunks.push(bytes);
    size += bytes.length;
    if (size > most) throw new CommandError(`Standard input has more than ${most} bytes.`);
    if (isLast(bytes)) break;
  }
  return Buffer.concat(chunks);
};
