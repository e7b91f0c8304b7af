/**
 * IP addresses and blocks of them.
 *
 * Rules of this file:
 * - An IPv4 address in IPv6's clothes (`::ffff:192.0.2.1`) is the IPv4 address: it must not slip through a Deny.
 * - Nothing is guessed: `010.0.0.1`, `10.1` and zones are no addresses.
 */

export interface Address {
  readonly bits: 32 | 128;
  readonly number: bigint;
}

export interface Block {
  readonly address: Address;
  /** Leading bits that are the same for the whole block. */
  readonly prefix: number;
}

/** The longest there is: `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`. */
const MAX_CHARACTERS = 45;

const MAPPED = 0xffffn;

export function parseAddress(text: string): Address | undefined {
  if (text.length > MAX_CHARACTERS) return undefined;
  const v4 = parseV4(text);
  if (v4 !== undefined) return { bits: 32, number: v4 };
  const v6 = parseV6(text);
  if (v6 === undefined) return undefined;
  return v6 >> 32n === MAPPED ? { bits: 32, number: v6 & 0xffff_ffffn } : { bits: 128, number: v6 };
}

/** `192.0.2.0/24`, `2001:db8::/32`, or one address. */
export function parseBlock(text: string): Block | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return undefined;
  if (slash < 0) return { address, prefix: address.bits };
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  // Of an address that was written as IPv6, and is one of IPv4, the first 96 bits are that.
  const prefix = Number(length) - (address.bits === 32 && text.includes(':') ? 96 : 0);
  return prefix >= 0 && prefix <= address.bits ? { address, prefix } : undefined;
}

export const isWithin = ({ bits, number }: Address, { address, prefix }: Block): boolean => {
  const ignored = BigInt(bits - prefix);
  return bits === address.bits && number >> ignored === address.number >> ignored;
};

function parseV4(text: string): bigint | undefined {
  const bytes = text.split('.');
  if (bytes.length !== 4 || !bytes.every((byte) => /^(0|[1-9]\d{0,2})$/.test(byte) && Number(byte) <= 255))
    return undefined;
  return bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);
}

function parseV6(text: string): bigint | undefined {
  const sides = text.split('::');
  if (sides.length > 2) return undefined;
  const [left, right] = sides.map(groupsOf);
  if (!left || (sides.length === 2 && !right)) return undefined;
  // `::` stands for one group of zeros at least.
  const zeros = 8 - left.length - (right?.length ?? 0);
  if (right ? zeros < 1 : zeros !== 0) return undefined;
  // An IPv4 address can only end it.
  if (right && sides[0]?.includes('.')) return undefined;
  return [...left, ...Array<bigint>(zeros).fill(0n), ...(right ?? [])].reduce(
    (number, group) => (number << 16n) | group,
  );
}

/** Groups of 16 bits; the last two may be written as an IPv4 address. */
function groupsOf(side: string): readonly bigint[] | undefined {
  if (side === '') return [];
  const groups: bigint[] = [];
  const written = side.split(':');
  for (const [index, group] of written.entries()) {
    const v4 = index === written.length - 1 ? parseV4(group) : undefined;
    if (v4 !== undefined) groups.push(v4 >> 16n, v4 & 0xffffn);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group)) groups.push(BigInt(`0x${group}`));
    else return undefined;
  }
  return groups;
}
