/**
 * Wildcards: `*` is any characters or none, `/` and line ends among them; `?` is one character. Everything else is itself, `+` and `#`
 * of MQTT too.
 *
 * Rules of this file:
 * - A text costs at most its length times that of the pattern, whatever the two are: what a `*` took is never
 *   tried again, but for the last one of a pattern with `?`. No regular expression, for theirs is exponential.
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
  if (parts.some((part) => typeof part !== 'string' && part.wildcard === '?')) {
    const units = parts.flatMap(unitsOf);
    return (text) => matches(units, text);
  }
  const [beginning = '', ...others] = textsBetween(parts);
  const end = others.pop();
  if (end === undefined) return (text) => text === beginning;
  const between = others.filter((each) => each !== '');
  return (text) => text.startsWith(beginning) && endsSo(text, beginning.length, between, end);
}

/** The literal texts before, between and behind the `*`. */
function textsBetween(parts: readonly Part[]): readonly string[] {
  const texts = [''];
  for (const part of parts) {
    if (typeof part === 'string') texts.push((texts.pop() ?? '') + part);
    else texts.push('');
  }
  return texts;
}

/** From `from` on the texts come one behind the other, each as early as it can, so that it leaves most room; the last is the end. */
function endsSo(text: string, from: number, between: readonly string[], end: string): boolean {
  const last = text.length - end.length;
  if (from > last || !text.endsWith(end)) return false;
  let at = from;
  for (const each of between) {
    const found = text.indexOf(each, at);
    if (found < 0) return false;
    at = found + each.length;
  }
  return at <= last;
}

const unitsOf = (part: Part): readonly number[] => {
  if (typeof part !== 'string') return [part.wildcard === '*' ? ANY : ONE];
  return Array.from({ length: part.length }, (_, index) => part.charCodeAt(index));
};

function matches(units: readonly number[], text: string): boolean {
  let at = 0;
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
