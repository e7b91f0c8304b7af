/** JSON as policies are written in it, held together with `JSON.parse`. */
import fc from 'fast-check';
import { type Json, MAX_CHARACTERS, parseJson } from '../../src/policy/json.ts';
import { PolicyError } from '../../src/policy/policy-error.ts';

const plain = (value: Json): unknown => {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]));
  return Array.isArray(value) ? value.map(plain) : value;
};

const problemOf = (text: string): string => {
  try {
    parseJson(text);
  } catch (error) {
    if (error instanceof PolicyError) return error.message;
    throw error;
  }
  return 'none';
};

it.each([
  ['', 'line 1, column 1: the document ends where a value should be'],
  ['{', 'line 1, column 2: the document ends where a name in quotation marks should be'],
  ['{"a" 1}', 'line 1, column 6: there is "1" where a colon should be'],
  ['{"a": 1 "b": 2}', 'line 1, column 9: there is "\\"" where a comma or } should be'],
  ['{"a": 1,}', 'line 1, column 9: there is "}" where a name in quotation marks should be'],
  ['{\n  "a": [1,\n  ]\n}', 'line 3, column 3: there is "]" where a value should be'],
  ['[1 2]', 'line 1, column 4: there is "2" where a comma or ] should be'],
  ['{} {}', 'line 1, column 4: there is "{" where the end of the document should be'],
  ['[01]', 'line 1, column 3: there is "1" where a comma or ] should be'],
  ['[.5]', 'line 1, column 2: there is "." where a value should be'],
  ['[nul]', 'line 1, column 2: there is "n" where a value should be'],
  ["['a']", 'line 1, column 2: there is "\'" where a value should be'],
  ['\ufeff{}', 'line 1, column 1: there is "\ufeff" where a value should be'],
  ['["a', 'line 1, column 4: the document ends where the end of a text, a quotation mark, should be'],
  ['["a\nb"]', 'line 1, column 4: there is "\\n" where the end of a text, a quotation mark, should be'],
  ['["\\x"]', 'line 1, column 3: "\\\\x" is no escape of JSON'],
  ['["\\u12"]', 'line 1, column 3: "\\\\u" is no escape of JSON'],
  ['{"a": 1, "b": {"c": 1, "c": 2}}', 'line 1, column 24: "c" is there twice'],
  ['{"a": 1,\n"\\u0061": 2}', 'line 2, column 1: "a" is there twice'],
  ['[[[[[[[[[[[1]]]]]]]]]]]', 'line 1, column 11: nested deeper than 10'],
  ['['.repeat(MAX_CHARACTERS), 'line 1, column 11: nested deeper than 10'],
  [' '.repeat(MAX_CHARACTERS + 1), 'document: 20481 characters, which are more than 20480'],
])('refuses %j', (text, problem) => {
  expect(problemOf(text)).toBe(problem);
});

it('takes names that objects of JavaScript have of their own', () => {
  expect(parseJson('{"__proto__": 1, "constructor": 2}')).toEqual(
    new Map([
      ['__proto__', 1],
      ['constructor', 2],
    ]),
  );
});

it.each(['{"a": 1, "A": 2}', '[[[[[[[[[[1]]]]]]]]]]', `"${'a'.repeat(MAX_CHARACTERS - 2)}"`])('takes %.40s', (text) => {
  expect(problemOf(text)).toBe('none');
});

it('reads what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4, stringUnit: 'binary' }), fc.constantFrom(0, 1, '\t', '\n '), (json, space) => {
      const value: unknown = JSON.parse(json);
      if (JSON.stringify(value).includes('__proto__')) return;
      expect(plain(parseJson(JSON.stringify(value, null, space)))).toEqual(value);
    }),
    { numRuns: 500 },
  );
});

it('refuses what JSON.parse refuses', () => {
  const damaged = fc
    .tuple(
      fc.json({ maxDepth: 3 }),
      fc.nat(),
      fc.constantFrom('', '"', '\\', ',', '}', ']', ':', '0', '-', 'e', '\n', 'u'),
    )
    .map(([json, at, character]) => {
      const index = at % (json.length + 1);
      return json.slice(0, index) + character + json.slice(index + 1);
    });
  const seen = { none: 0, some: 0 };
  fc.assert(
    fc.property(damaged, (text) => {
      const problem = problemOf(text);
      if (/nested deeper|there twice/.test(problem)) return;
      seen[problem === 'none' ? 'none' : 'some']++;
      if (problem === 'none') expect(plain(parseJson(text))).toEqual(JSON.parse(text));
      else expect(() => JSON.parse(text)).toThrow();
    }),
    { numRuns: 1_000 },
  );
  expect(Math.min(seen.none, seen.some)).toBeGreaterThan(50);
});
