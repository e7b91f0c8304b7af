/** Who types, and who reads: the terminal of the operator's commands on streams of a test. */
import { PassThrough } from 'node:stream';
import { createTerminal } from '../../admin/terminal.ts';

/** A stream that a test reads along. */
const readAlong = () => {
  const stream = new PassThrough();
  let text = '';
  const waiting: { readonly wanted: string; readonly resolve: () => void }[] = [];
  stream.on('data', (chunk: Buffer) => {
    text += chunk;
    for (const { wanted, resolve } of waiting) if (text.includes(wanted)) resolve();
  });
  return {
    stream,
    text: () => text,
    until: (wanted: string) =>
      new Promise<void>((resolve) => (text.includes(wanted) ? resolve() : waiting.push({ wanted, resolve }))),
  };
};

/** Somebody at a terminal. */
const sitDown = () => {
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (mode: boolean) => raw.push(mode) });
  const [output, error] = [readAlong(), readAlong()];
  const terminal = createTerminal({ input, output: output.stream, error: error.stream });
  return { terminal, input, output, error, raw };
};

const piped = (...chunks: readonly (string | Uint8Array)[]) => {
  const input = new PassThrough();
  for (const chunk of chunks) input.write(chunk);
  input.end();
  return createTerminal({ input, output: new PassThrough(), error: new PassThrough() });
};

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe('what is typed hidden', () => {
  it('is answered, and shown nowhere: the terminal is told not to, and told otherwise afterwards', async () => {
    const { terminal, input, output, error, raw } = sitDown();
    expect(terminal.isInteractive).toBe(true);
    const answers = terminal.askHidden(['First: ', 'Second: ']);
    await error.until('First: ');
    expect(raw).toEqual([true]);
    input.write('sécret one\r');
    await error.until('Second: ');
    input.write('secret two\r');
    expect((await answers).map(text)).toEqual(['sécret one', 'secret two']);
    expect(raw).toEqual([true, false]);
    expect(error.text()).toBe('First: \nSecond: \n');
    expect(output.text()).toBe('');
  });

  it('can be mended, and pasted at once', async () => {
    const { terminal, input } = sitDown();
    input.write('secrex\u007ft\rsecret\r');
    expect((await terminal.askHidden(['First: ', 'Second: '])).map(text)).toEqual(['secret', 'secret']);
  });

  test.each([
    ['Ctrl-C', 'secr\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('is broken off by %s, and the terminal is as before', async (_, keys) => {
    const { terminal, input, raw } = sitDown();
    const answers = terminal.askHidden(['First: ', 'Second: ']);
    input.write(keys);
    await expect(answers).rejects.toThrow('Broken off: nothing was changed.');
    expect(raw.at(-1)).toBe(false);
  });
});

describe('standard input', () => {
  test.each([
    [['secret\n'], 'secret'],
    [['secret'], 'secret'],
    [['sec', 'ret\r\n', 'more\n'], 'secret'],
    [['\nsecret'], ''],
    [[], ''],
    [[' secret \n'], ' secret '],
  ])('%j: its first line', async (chunks, line) => {
    expect(text(await piped(...chunks).readLine(100))).toBe(line);
  });

  it('is not waited for behind its first line', async () => {
    const input = new PassThrough();
    input.write('secret\n');
    const terminal = createTerminal({ input, output: new PassThrough(), error: new PassThrough() });
    expect(terminal.isInteractive).toBe(false);
    expect(text(await terminal.readLine(100))).toBe('secret');
  });

  it('is taken as bytes, whatever they are', async () => {
    expect([...(await piped(new Uint8Array([255, 0, 13, 10])).readLine(100))]).toEqual([255, 0]);
  });

  it('may have more lines than one', async () => {
    expect(text(await piped('a\n', 'b').readAll(100))).toBe('a\nb');
  });

  it('has a bound', async () => {
    await expect(piped('x'.repeat(101)).readLine(100)).rejects.toThrow('more than 100 bytes');
    await expect(piped('x'.repeat(101)).readAll(100)).rejects.toThrow('more than 100 bytes');
    expect(await piped('x'.repeat(100)).readAll(100)).toHaveLength(100);
  });
});

test('what was asked for goes one way, what there is to say the other', async () => {
  const { terminal, output, error } = sitDown();
  terminal.print('50%s');
  terminal.say('done');
  expect(output.text()).toBe('50%s\n');
  expect(error.text()).toBe('done\n');
});
