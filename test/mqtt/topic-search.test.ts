/** Where to look for the topics that a filter matches: held together with `matches`. */
import fc from 'fast-check';
import { matches } from '../../src/mqtt/topic.ts';
import { type Look, looksFor, looksUnder } from '../../src/mqtt/topic-search.ts';
import { topicFilter as filters, topicName as topics } from './arbitrary-topics.ts';

const firstLevelOf = (topic: string) => topic.split('/')[0] ?? '';

/** What a store finds among `names`. */
const find = (look: Look, topicFilter: string, names: readonly string[]): readonly string[] => {
  switch (look.look) {
    case 'topic':
      return names.filter((name) => name === look.topic);
    case 'prefix':
      return names.filter((name) => firstLevelOf(name) === firstLevelOf(look.prefix) && name.startsWith(look.prefix));
    case 'levels':
      return [...new Set(names.map(firstLevelOf))]
        .flatMap((level) => looksUnder(level, topicFilter))
        .flatMap((each) => find(each, topicFilter, names));
  }
};

const found = (topicFilter: string, names: readonly string[]): readonly string[] =>
  looksFor(topicFilter)
    .flatMap((look) => find(look, topicFilter, names))
    .filter((name) => matches(topicFilter, name))
    .sort();

it.each<readonly [string, readonly Look[]]>([
  ['a', [{ look: 'topic', topic: 'a' }]],
  ['a/b', [{ look: 'topic', topic: 'a/b' }]],
  ['/', [{ look: 'topic', topic: '/' }]],
  ['a/#', [{ look: 'prefix', prefix: 'a' }]],
  ['/#', [{ look: 'prefix', prefix: '' }]],
  [
    'a/b/#',
    [
      { look: 'topic', topic: 'a/b' },
      { look: 'prefix', prefix: 'a/b/' },
    ],
  ],
  ['a/+', [{ look: 'prefix', prefix: 'a/' }]],
  ['a/b/+/d/#', [{ look: 'prefix', prefix: 'a/b/' }]],
  ['$SYS/#', [{ look: 'prefix', prefix: '$SYS' }]],
  ['#', [{ look: 'levels' }]],
  ['+', [{ look: 'levels' }]],
  ['+/b/#', [{ look: 'levels' }]],
])('%s: looks no wider than its literal beginning', (topicFilter, looks) => {
  expect(looksFor(topicFilter)).toEqual(looks);
});

it.each<readonly [string, string, readonly Look[]]>([
  ['#', 'a', [{ look: 'prefix', prefix: 'a' }]],
  ['+', 'a', [{ look: 'topic', topic: 'a' }]],
  ['+/b', 'a', [{ look: 'topic', topic: 'a/b' }]],
  ['+/+/c', '', [{ look: 'prefix', prefix: '/' }]],
  ['#', '$SYS', []],
  ['+/b', '$SYS', []],
])('[MQTT-4.7.2-1] %s under the first level %j', (topicFilter, level, looks) => {
  expect(looksUnder(level, topicFilter)).toEqual(looks);
});

it('finds exactly what the filter matches, each once', () => {
  fc.assert(
    fc.property(filters, fc.uniqueArray(topics, { maxLength: 20 }), (topicFilter, names) => {
      expect(found(topicFilter, names)).toEqual(names.filter((name) => matches(topicFilter, name)).sort());
    }),
    { numRuns: 2_000 },
  );
});
