/** Topic names and valid topic filters over few levels, so that they meet often. */
import fc from 'fast-check';

const literal = fc.constantFrom('', 'a', 'b', 'L', '$', '$SYS', '\ufeff', '€');
const wildcardOrLiteral = fc.oneof({ weight: 1, arbitrary: fc.constant('+') }, { weight: 2, arbitrary: literal });

const nameLevels = fc.array(literal, { minLength: 1, maxLength: 5 }).filter((levels) => levels.join('/') !== '');
const filterLevels = fc
  .tuple(fc.array(wildcardOrLiteral, { maxLength: 5 }), fc.constantFrom([], ['#']))
  .map(([levels, end]) => [...levels, ...end])
  .filter((levels) => levels.join('/') !== '');

export const topicName = nameLevels.map((levels) => levels.join('/'));
export const topicFilter = filterLevels.map((levels) => levels.join('/'));

/** A filter made from the name: some levels replaced, the end cut or kept. It matches about every second time. */
const filterNearby = nameLevels.chain((levels) =>
  fc
    .tuple(
      fc.tuple(
        ...levels.map((level) =>
          fc.oneof({ weight: 8, arbitrary: fc.constantFrom(level, '+') }, { weight: 1, arbitrary: literal }),
        ),
      ),
      fc.integer({ min: 0, max: levels.length }),
      fc.constantFrom('keep', 'cut', 'cut', 'longer'),
    )
    .map(([replaced, length, end]) => {
      if (end === 'keep') return replaced;
      return end === 'cut' ? [...replaced.slice(0, length), '#'] : [...replaced, '#'];
    })
    .filter((filter) => filter.join('/') !== '')
    .map((filter) => [filter.join('/'), levels.join('/')] as const),
);

/** A filter and a name. */
export const filterAndName = fc.oneof(
  { weight: 2, arbitrary: filterNearby },
  { weight: 1, arbitrary: fc.tuple(topicFilter, topicName) },
);
