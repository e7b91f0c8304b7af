import fc from 'fast-check';
import { matcherOf, partsOf } from '../../src/policy/pattern.ts';

const matches = (pattern: string, text: string): boolean => matcherOf(partsOf(pattern))(text);

it.each([
  // pattern | text | whether it matches
  ['', '', true],
  ['', 'a', false],
  ['*', '', true],
  ['*', 'a/b/c', true],
  ['*', 'a\nb', true],
  ['?', '', false],
  ['?', '/', true],
  ['?', 'ab', false],
  ['?', '😀', true],
  ['??', '😀', false],
  ['a?c', 'a😀c', true],
  ['a*c', 'a😀c', true],
  ['a*?c', 'a😀c', true],
  ['topic/a', 'topic/a', true],
  ['topic/a', 'topic/A', false],
  ['topic/a', 'topic/ab', false],
  ['topic/a*', 'topic/a', true],
  ['topic/a*', 'topic/a/b/c', true],
  ['topic/*/c', 'topic/a/b/c', true],
  ['topic/*/c', 'topic/c', false],
  ['topic/?/c', 'topic/a/c', true],
  ['topic/?/c', 'topic/ab/c', false],
  ['*a*', 'bab', true],
  ['*ab', 'aab', true],
  ['a*b*c', 'abbcbc', true],
  ['a*b*c', 'acb', false],
  ['**a', 'a', true],
  ['a**', 'a', true],
  ['*?', '', false],
  ['*?*', 'x', true],
  // Of MQTT's wildcards this knows nothing, nor of those of regular expressions.
  ['topicfilter/+/a', 'topicfilter/+/a', true],
  ['topicfilter/+/a', 'topicfilter/b/a', false],
  ['topicfilter/#', 'topicfilter/a', false],
  ['a.c', 'abc', false],
  ['[a]', '[a]', true],
  ['a|b', 'a', false],
  ['\\*', '\\x', true],
])('%j with %j: %s', (pattern, text, expected) => {
  expect(matches(pattern, text)).toBe(expected);
});

/** Every way to read it, one after the other. */
const matchesSlowly = (pattern: readonly string[], text: readonly string[]): boolean => {
  const [first, ...rest] = pattern;
  if (first === undefined) return text.length === 0;
  if (first === '*') return matchesSlowly(rest, text) || (text.length > 0 && matchesSlowly(pattern, text.slice(1)));
  return text.length > 0 && (first === '?' || first === text[0]) && matchesSlowly(rest, text.slice(1));
};

it('is what trying everything comes to', () => {
  const characters = (...all: readonly string[]) => fc.array(fc.constantFrom(...all), { maxLength: 8 });
  const seen = { true: 0, false: 0 };
  fc.assert(
    fc.property(characters('a', 'b', '*', '?', '😀'), characters('a', 'b', '😀'), (pattern, text) => {
      const expected = matchesSlowly(pattern, text);
      seen[`${expected}`]++;
      expect(matches(pattern.join(''), text.join(''))).toBe(expected);
    }),
    { numRuns: 5_000 },
  );
  expect(seen.true).toBeGreaterThan(100);
});

/** With a regular expression, or with a way back for every `*`, this would not come to an end. */
it('comes to an end, whatever the pattern', () => {
  const text = 'a'.repeat(900);
  expect(matches(`${'*a'.repeat(400)}*b`, text)).toBe(false);
  expect(matches(`${'*?'.repeat(400)}*b`, text)).toBe(false);
  expect(matches(`${'a*'.repeat(400)}`, text)).toBe(true);
  expect(matches(`${'*'.repeat(20_000)}b`, text)).toBe(false);
});
