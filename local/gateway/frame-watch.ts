/**
 * Watches the bytes of a WebSocket go by and measures its frames (RFC 6455, 5.2). `ws` puts fragments together before
 * anybody sees them, and API Gateway limits each of them.
 *
 * Rules of this file: reads nothing but headers, changes nothing. Without extensions the length in the header is the
 * length of the data.
 */

const CONTROL_OPCODES = 0x08;

/** Feeds on chunks; says whether a data frame larger than `most` bytes has begun. */
export const frameWatch = (most: number): ((chunk: Buffer) => boolean) => {
  let header = Buffer.alloc(0);
  /** Bytes of mask and data still to go by. */
  let toSkip = 0;

  return (chunk) => {
    let at = 0;
    while (at < chunk.length) {
      if (toSkip > 0) {
        const skipped = Math.min(toSkip, chunk.length - at);
        toSkip -= skipped;
        at += skipped;
        continue;
      }
      header = Buffer.concat([header, chunk.subarray(at, at + 1)]);
      at += 1;
      const length = dataLength(header);
      if (length === undefined) continue;
      const opcode = (header[0] ?? 0) & 0x0f;
      const masked = ((header[1] ?? 0) & 0x80) !== 0;
      header = Buffer.alloc(0);
      if (opcode < CONTROL_OPCODES && length > most) return true;
      toSkip = (masked ? 4 : 0) + length;
    }
    return false;
  };
};

/** Undefined while the header is not complete. */
const dataLength = (header: Buffer): number | undefined => {
  if (header.length < 2) return undefined;
  const short = (header[1] ?? 0) & 0x7f;
  if (short < 126) return short;
  if (short === 126) return header.length < 4 ? undefined : header.readUInt16BE(2);
  return header.length < 10 ? undefined : Number(header.readBigUInt64BE(2));
};
