/** A log event has a line in docs/operations.md (CONTRIBUTING.md); so has a reason that the bridge gives. */
import { readdirSync, readFileSync } from 'node:fs';

const sources = readdirSync('client/bridge')
  .filter((file) => file.endsWith('.ts'))
  .map((file) => readFileSync(`client/bridge/${file}`, 'utf8'))
  .join('\n');
const documented = readFileSync('docs/operations.md', 'utf8');
const chapter = documented.slice(documented.indexOf('## The bridge'), documented.indexOf('## Lifecycle events'));

const found = (pattern: RegExp): string[] => [...new Set([...sources.matchAll(pattern)].map(([, name = '']) => name))];

test.each([
  ['event', found(/\blog\(\s*'([\w-]+)'/g), 8],
  ['reason', found(/\b(?:end|finish|refused)\(\s*'([\w-]+)'/g).concat(found(/^ {2}\| '([\w-]+)'$/gm)), 12],
])('every %s is in docs/operations.md', (_, names, atLeast) => {
  expect(names.length).toBeGreaterThanOrEqual(atLeast);
  expect(names.filter((name) => !chapter.includes(`\`${name}\``))).toEqual([]);
});
