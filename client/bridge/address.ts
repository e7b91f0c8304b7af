/** Where a listener listens, as it stands on a command line: `1883`, `127.0.0.1:1883`, `[::1]:1883`. Pure. */
import { UsageError } from './usage-error.ts';

export interface Address {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
}

/** Only this machine: who wants more says so. */
const LOOPBACK = '127.0.0.1';

/** @throws UsageError */
export function readAddress(option: string, text: string): Address {
  const match = /^(?:(?:\[([\da-fA-F:.]+)\]|([^\s:[\]]+)):)?(\d{1,5})$/.exec(text);
  const [, ipv6, host, port = ''] = match ?? [];
  if (!match || Number(port) > 65_535) {
    throw new UsageError(`${option} is ${text}: it must be HOST:PORT, such as 127.0.0.1:1883, or a port alone`);
  }
  return { host: ipv6 ?? host ?? LOOPBACK, port: Number(port) };
}

export const inWords = ({ host, port }: Address): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
