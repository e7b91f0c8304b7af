/**
 * Base64 as the wire has it (wire-protocol.md, RFC 4648 §4): standard alphabet, padded, no line breaks.
 *
 * Rules of this file: the same in every browser and in Node, so no Buffer. Strict, where `atob` forgives: text that this
 * file decodes is the text that it would write. Plain loops: 128 KiB takes a few milliseconds, with an iterator 20.
 */

export function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** @returns nothing where the text is not base64 */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const binary = atob(text);
    if (btoa(binary) !== text) return undefined;
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    return undefined;
  }
}
