/**
 * Wildcards: `*` is any characters or none, `/` and line ends among them; `?` is one character. Everything else is itself, `+` and `#`
 * of MQTT too.
 *
 * Rules of this file:
 * - A text costs at most its length times that of the pattern, whatever the two are: only the last `*` is ever tried again. No
 *   regular expression, for theirs is exponential.
 * - A character is a code point: `?` takes all of an emoji.
 */

export type Wildcard = { readonly wildcard: '*' | '?' };
/** A literal text, or a wildcard. */
export type Part = string | Wildcard;

export type Matcher = (text: string) => boolean;

const ANY = -1;
const ONE = -2;

/** The parts of a text whose every `*` and `?` is a wildcard. */
export const partsOf = (text: string): readonly Part[] =>
  text
    .split(/([*?])/)
    .filter((part) => part !== '')
    .map((part) => (part === '*' || part === '?' ? { wildcard: part } : part));

export function matcherOf(parts: readonly Part[]): Matcher {
  const firstWildcard = parts.findIndex((part) => typeof part !== 'string');
  if (firstWildcard < 0) {
    const literal = parts.join('');
    return (text) => text === literal;
  }
  const beginning = parts.slice(0, firstWildcard).join('');
  const units = parts.slice(firstWildcard).flatMap(unitsOf);
  // `a/*`, which most patterns are.
  if (units.every((unit) => unit === ANY)) return (text) => text.startsWith(beginning);
  return (text) => text.startsWith(beginning) && matches(units, text, beginning.length);
}

const unitsOf = (part: Part): readonly number[] => {
  if (typeof part !== 'string') return [part.wildcard === '*' ? ANY : ONE];
  return Array.from({ length: part.length }, (_, index) => part.charCodeAt(index));
};

function matches(units: readonly number[], text: string, from: number): boolean {
  let at = from;
  let unit = 0;
  let lastAny = -1;
  let anyEndsAt = 0;
  while (at < text.length) {
    const wanted = units[unit];
    if (wanted === ANY) {
      lastAny = unit++;
      anyEndsAt = at;
    } else if (wanted === ONE) {
      at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
      unit++;
    } else if (wanted === text.charCodeAt(at)) {
      at++;
      unit++;
    } else if (lastAny >= 0) {
      unit = lastAny + 1;
      at = ++anyEndsAt;
    } else return false;
  }
  while (units[unit] === ANY) unit++;
  return unit === units.length;
}
