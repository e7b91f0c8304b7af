/**
 * JSON as policies are written in it (RFC 8259).
 *
 * Rules of this file:
 * - A name that an object has twice is refused: `JSON.parse` keeps the last, others the first, and one of the two may be a Deny.
 * - Objects become maps, so that `__proto__` is a name like any other.
 * - Size and depth are bounded, and every character is looked at once.
 */
import { PolicyError, quoted } from './policy-error.ts';

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** As IAM allows for the policies of a role. */
export const MAX_CHARACTERS = 20_480;

/** A list of values under a key of an operator of a condition of a statement has depth 6. */
const MAX_DEPTH = 10;

const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

/** Throws `PolicyError` with line and column, from 1. */
export function parseJson(text: string): Json {
  if (text.length > MAX_CHARACTERS) {
    throw new PolicyError('document', `${text.length} characters, which are more than ${MAX_CHARACTERS}`);
  }
  let at = 0;

  const fail = (reason: string, where = at): never => {
    const lines = text.slice(0, where).split('\n');
    throw new PolicyError(`line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`, reason);
  };
  const failUnexpected = (expected: string): never => {
    const character = text.codePointAt(at);
    const found = character === undefined ? 'the document ends' : `there is ${quoted(String.fromCodePoint(character))}`;
    return fail(`${found} where ${expected} should be`);
  };
  /** Takes what the sticky expression matches here. */
  const take = (expression: RegExp): string | undefined => {
    expression.lastIndex = at;
    const [found] = expression.exec(text) ?? [];
    at += found?.length ?? 0;
    return found;
  };
  const skipSpace = (): void => void take(/[ \t\n\r]*/y);
  const takeIf = (character: string): boolean => {
    skipSpace();
    if (text[at] !== character) return false;
    at++;
    return true;
  };

  const value = (depth: number): Json => {
    skipSpace();
    const start = text[at];
    if ((start === '{' || start === '[') && depth > MAX_DEPTH) fail(`nested deeper than ${MAX_DEPTH}`);
    if (start === '{') return object(depth);
    if (start === '[') return list(depth);
    if (start === '"') return string();
    const number = take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number !== undefined) return Number(number);
    const word = take(/true|false|null/y);
    if (word === undefined) return failUnexpected('a value');
    return word === 'null' ? null : word === 'true';
  };

  const object = (depth: number): JsonObject => {
    const members = new Map<string, Json>();
    at++;
    if (takeIf('}')) return members;
    do {
      skipSpace();
      const where = at;
      if (text[at] !== '"') failUnexpected('a name in quotation marks');
      const name = string();
      if (members.has(name)) fail(`${quoted(name)} is there twice`, where);
      if (!takeIf(':')) failUnexpected('a colon');
      members.set(name, value(depth + 1));
    } while (takeIf(','));
    if (!takeIf('}')) failUnexpected('a comma or }');
    return members;
  };

  const list = (depth: number): readonly Json[] => {
    const items: Json[] = [];
    at++;
    if (takeIf(']')) return items;
    do items.push(value(depth + 1));
    while (takeIf(','));
    if (!takeIf(']')) failUnexpected('a comma or ]');
    return items;
  };

  const string = (): string => {
    at++;
    let whole = '';
    for (;;) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these
      whole += take(/[^"\\\u0000-\u001f]*/y) ?? '';
      if (text[at] === '"') break;
      if (text[at] !== '\\') failUnexpected('the end of a text, a quotation mark,');
      whole += escaped();
    }
    at++;
    return whole;
  };

  const escaped = (): string => {
    const unicode = take(/\\u[0-9a-fA-F]{4}/y);
    if (unicode !== undefined) return String.fromCharCode(Number.parseInt(unicode.slice(2), 16));
    const character = escapes[text[at + 1] ?? ''];
    if (character === undefined) return fail(`${quoted(text.slice(at, at + 2))} is no escape of JSON`);
    at += 2;
    return character;
  };

  const whole = value(1);
  skipSpace();
  if (at < text.length) failUnexpected('the end of the document');
  return whole;
}
