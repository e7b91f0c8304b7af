/** The command line of `serverless-mqtt bridge`. Pure. */
import { parseArgs } from 'node:util';
import { type Address, readAddress } from './address.ts';
import { defaultLimits, type Limits, refusal } from './limits.ts';
import type { ListenerKind } from './listener.ts';
import { UsageError } from './usage-error.ts';

export interface BridgeCommand {
  readonly kind: 'bridge';
  readonly to: string;
  readonly listeners: readonly { readonly kind: ListenerKind; readonly at: Address }[];
  readonly limits: Limits;
  /** Files, PEM. */
  readonly ca?: string;
  readonly certificate?: { readonly cert: string; readonly key: string };
}

export type Command = BridgeCommand | { readonly kind: 'help' };

export const DEFAULT_TCP = '127.0.0.1:1883';
export const DEFAULT_WS = '127.0.0.1:8083';

const { clients, packetBytes, clientBytes, totalBytes, connectMs, finishMs } = defaultLimits;

export const usage = `Usage: serverless-mqtt bridge --to URL [options]

Lets any MQTT 3.1.1 client speak to the broker: takes plain MQTT over TCP and over WebSocket, and carries it over the
broker's own wire, one connection for each client. User names and passwords are passed on as they are.

Options:
  --to URL              the broker: wss://…, as "cdk deploy" prints it
  --ca FILE             certificates (PEM) to trust for it, besides those that Node trusts
  --tcp HOST:PORT       MQTT over TCP
  --ws HOST:PORT        MQTT over WebSocket, sub-protocol mqtt
  --tls HOST:PORT       MQTT over TLS; needs --cert and --key
  --wss HOST:PORT       MQTT over WebSocket and TLS; needs --cert and --key
                        A port alone means 127.0.0.1. Each may be given several times; where none is given, the bridge
                        listens on --tcp ${DEFAULT_TCP} and --ws ${DEFAULT_WS}.
  --cert FILE           certificate of --tls and --wss, with its chain (PEM)
  --key FILE            its private key (PEM)
  --max-clients N       clients at once (${clients})
  --max-packet BYTES    largest packet of a client (${packetBytes})
  --max-client BYTES    held for one client; one that does not read what it is sent is closed there (${clientBytes})
  --max-total BYTES     held for all clients (${totalBytes})
  --connect-seconds N   for handshakes and the CONNECT of a client (${connectMs / 1000})
  --finish-seconds N    to deliver what a client has sent before it left, or before the bridge stops (${finishMs / 1000})
  --help                this text

Whoever reaches a port of the bridge reaches the broker: ports without TLS belong on this machine, or into a network that
you trust. It logs one JSON line per event; docs/operations.md says what they mean. Ctrl-C, or SIGTERM, stops it: what
clients have sent is delivered first. Exit code: 0 stopped, 1 it could not start, 2 the command line makes no sense.`;

/** @throws UsageError */
export function readCommandLine(argv: readonly string[]): Command {
  const values = parse(argv);
  if (values.help) return { kind: 'help' };
  const listeners = readListeners(values);
  const certificate = readCertificate(values, listeners);
  return {
    kind: 'bridge',
    to: readUrl(values.to),
    listeners,
    limits: readLimits(values),
    ...(values.ca !== undefined && { ca: values.ca }),
    ...(certificate && { certificate }),
  };
}

type Values = ReturnType<typeof parse>;

const parse = (argv: readonly string[]) => {
  const text = { type: 'string' } as const;
  const texts = { type: 'string', multiple: true } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        to: text,
        ca: text,
        tcp: texts,
        ws: texts,
        tls: texts,
        wss: texts,
        cert: text,
        key: text,
        'max-clients': text,
        'max-packet': text,
        'max-client': text,
        'max-total': text,
        'connect-seconds': text,
        'finish-seconds': text,
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

const readUrl = (text: string | undefined): string => {
  if (text === undefined) throw new UsageError('--to is missing: the URL of the broker, such as wss://…/mqtt');
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The URL may hold a secret: it is not repeated.
  if (url?.protocol !== 'wss:' && url?.protocol !== 'ws:')
    throw new UsageError('--to must be a URL, wss://… or ws://…');
  if (url.hash !== '') throw new UsageError('--to must not have a fragment (#…)');
  return text;
};

const kinds = ['tcp', 'ws', 'tls', 'wss'] as const;

const readListeners = (values: Values): BridgeCommand['listeners'] => {
  const given = kinds.flatMap((kind) =>
    (values[kind] ?? []).map((text) => ({ kind, at: readAddress(`--${kind}`, text) })),
  );
  if (given.length > 0) return given;
  return [
    { kind: 'tcp', at: readAddress('--tcp', DEFAULT_TCP) },
    { kind: 'ws', at: readAddress('--ws', DEFAULT_WS) },
  ];
};

const readCertificate = (
  { cert, key }: Values,
  listeners: BridgeCommand['listeners'],
): BridgeCommand['certificate'] => {
  const isNeeded = listeners.some(({ kind }) => kind === 'tls' || kind === 'wss');
  if (cert !== undefined && key !== undefined && isNeeded) return { cert, key };
  if (isNeeded) throw new UsageError('--tls and --wss need --cert FILE and --key FILE');
  if (cert !== undefined || key !== undefined) throw new UsageError('--cert and --key are for --tls and --wss');
  return undefined;
};

const readLimits = (values: Values): Limits => {
  const read = (name: keyof Values & string, otherwise: number, unit = 1): number => {
    const text = values[name];
    if (text === undefined) return otherwise;
    if (!/^[1-9]\d{0,11}$/.test(String(text))) {
      throw new UsageError(`--${name} is ${text}: it must be a whole number above 0`);
    }
    return Number(text) * unit;
  };
  const limits = {
    clients: read('max-clients', clients),
    packetBytes: read('max-packet', packetBytes),
    clientBytes: read('max-client', clientBytes),
    totalBytes: read('max-total', totalBytes),
    connectMs: read('connect-seconds', connectMs, 1000),
    finishMs: read('finish-seconds', finishMs, 1000),
  };
  const wrong = refusal(limits);
  if (wrong) throw new UsageError(`--max-packet, --max-client and --max-total do not go together: ${wrong}`);
  return limits;
};
