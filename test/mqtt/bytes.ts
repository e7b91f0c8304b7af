/** Bytes from hexadecimal digits; what is not one is only there for the reader. */
export function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}

/** Text as the specification writes a string: two bytes of length, then UTF-8. In hexadecimal. */
export function string(text: string): string {
  const utf8 = Buffer.from(text);
  return `${utf8.length.toString(16).padStart(4, '0')} ${utf8.toString('hex')}`;
}

/** A control packet, its remaining length filled in. */
export function packet(firstByte: string, body: string): Uint8Array {
  return packetOf(bytes(firstByte)[0] ?? 0, bytes(body));
}

/** The same, from bytes. */
export function packetOf(firstByte: number, body: Uint8Array): Uint8Array {
  const length: number[] = [];
  let left = body.length;
  do {
    length.push((left % 128) | (left >= 128 ? 0x80 : 0));
    left = Math.floor(left / 128);
  } while (left > 0);
  return new Uint8Array([firstByte, ...length, ...body]);
}
