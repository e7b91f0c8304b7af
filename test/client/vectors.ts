/** test/vectors/wire.json with its rules carried out. The schema is in the file's `_about`. */
import wire from '../vectors/wire.json' with { type: 'json' };

type Text = string | readonly (string | { readonly repeat: string; readonly times: number })[];

export interface Step {
  readonly write: readonly Uint8Array[];
  readonly client: string | undefined;
  readonly broker: string | undefined;
  readonly pause: number | undefined;
}

export const text = (rule: Text): string =>
  typeof rule === 'string'
    ? rule
    : rule.map((piece) => (typeof piece === 'string' ? piece : piece.repeat.repeat(piece.times))).join('');

/** Bytes from hexadecimal digits. */
export const bytes = (hex: Text): Uint8Array => new Uint8Array(Buffer.from(text(hex), 'hex'));
export const hex = (packet: Uint8Array): string => Buffer.from(packet).toString('hex');

const texts = (rules: readonly Text[]): string[] => rules.map(text);

export const clientFrames = wire.clientFrames.map(({ name, packets, frames }) => ({
  name,
  packets: packets.map(bytes),
  frames: texts(frames),
}));

export const dialogues = wire.dialogues.map(({ name, steps }) => ({
  name,
  steps: steps.map(
    (step: { write?: Text[]; client?: Text; broker?: Text; pause?: number }): Step => ({
      pause: step.pause,
      write: step.write?.map(bytes) ?? [],
      client: step.client === undefined ? undefined : text(step.client),
      broker: step.broker === undefined ? undefined : text(step.broker),
    }),
  ),
}));

export const replies: readonly {
  name: string;
  frame: string;
  taken: number;
  close?: string;
  token?: string;
  next?: number;
  packets: string[];
  decodeOnly?: boolean;
}[] = wire.replies;

export const pushes = wire.pushes.map(({ name, frames, pushes: expected }) => ({
  name,
  frames: texts(frames),
  pushes: expected.map(({ packets, ...push }) => ({
    first: 'first' in push ? push.first : undefined,
    packets: texts(packets),
  })),
}));

export const closings = wire.closings;

export const gateway = wire.gateway;

export const malformedBrokerFrames = wire.malformedBrokerFrames.map(({ name, frames }) => ({
  name,
  frames: texts(frames),
}));
