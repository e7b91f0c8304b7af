import fc from 'fast-check';
import { matches, topicFilterProblem, topicNameProblem, utf8Length } from '../../src/mqtt/topic.ts';
import { filterAndName, topicFilter, topicName } from './arbitrary-topics.ts';

const limits = { maxTopicBytes: 512, maxTopicLevels: 16 };

/** §4.7 once more, as a regular expression. */
function matchesByPattern(filter: string, name: string): boolean {
  if (name.startsWith('$') && ['+', '#'].includes(filter.charAt(0))) return false;
  const pattern = filter
    .split('/')
    .map((level) => (level === '+' ? '[^/]*' : level === '#' ? '#' : level.replaceAll('$', '\\$')))
    .join('/')
    .replace(/^#$/, '.*')
    .replace(/\/#$/, '(/.*)?');
  return new RegExp(`^${pattern}$`, 'su').test(name);
}

describe('matches', () => {
  it.each([
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/tennis/player1/#', 'sport/tennis/player10', false],
    ['sport/tennis/player1/#', 'sport/tennis', false],
    ['sport/#', 'sport', true],
    ['sport/#', 'sports', false],
    ['#', 'sport', true],
    ['#', '/', true],
  ])('[MQTT-4.7.1-2] %s with %s: %s', (filter, name, expected) => {
    expect(matches(filter, name)).toBe(expected);
  });

  it.each([
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player2', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+', 'sport', true],
    ['+', 'sport/tennis', false],
    ['+/tennis/#', 'sport/tennis', true],
    ['+/tennis/#', '/tennis/x', true],
    ['sport/+/player1', 'sport/tennis/player1', true],
    ['sport/+/player1', 'sport//player1', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['+/+/#', 'a', false],
  ])('[MQTT-4.7.1-3] %s with %s: %s', (filter, name, expected) => {
    expect(matches(filter, name)).toBe(expected);
  });

  it.each([
    ['#', '$SYS/monitor/Clients', false],
    ['+/monitor/Clients', '$SYS/monitor/Clients', false],
    ['$SYS/#', '$SYS/monitor/Clients', true],
    ['$SYS/#', '$SYS', true],
    ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
    ['+/#', '$', false],
    ['a/+', 'a/$SYS', true],
    ['#', 'a/$SYS', true],
    ['/+', '/$SYS', true],
  ])('[MQTT-4.7.2-1] %s with %s: %s', (filter, name, expected) => {
    expect(matches(filter, name)).toBe(expected);
  });

  it.each([
    ['ACCOUNTS', 'Accounts', false],
    ['Accounts payable', 'Accounts payable', true],
    ['/finance', 'finance', false],
    ['/finance', '/finance', true],
    ['a/b', 'a/b/', false],
    ['a//b', 'a/b', false],
    ['é', 'e\u0301', false],
    ['\ufeffa', 'a', false],
    ['a/.', 'a/.', true],
    ['a/*', 'a/b', false],
  ])('[MQTT-4.7.3-4] compares as it stands, without any normalisation: %s with %s: %s', (filter, name, expected) => {
    expect(matches(filter, name)).toBe(expected);
  });

  it('agrees with §4.7 written down as a regular expression', () =>
    fc.assert(
      fc.property(filterAndName, ([filter, name]) => {
        expect(matches(filter, name)).toBe(matchesByPattern(filter, name));
      }),
      { numRuns: 5_000 },
    ));

  it('a filter without wildcards matches its own name only', () =>
    fc.assert(
      fc.property(topicName, topicName, (one, other) => {
        expect(matches(one, other)).toBe(one === other);
      }),
      { numRuns: 1_000 },
    ));
});

describe('a topic name', () => {
  it.each(['a', '/', '/finance', 'a//b', ' ', 'Accounts payable', '$SYS', '$share/g/a', '\ufeff', '😀', 'a*b?'])(
    'may be %j',
    (topic) => {
      expect(topicNameProblem(topic, limits)).toBeUndefined();
    },
  );

  it.each(['#', '+', 'a/#', 'a/+/b', 'a#', 'a+b'])('[MQTT-3.3.2-2] [MQTT-4.7.1-1] has no wildcard: %j', (topic) => {
    expect(topicNameProblem(topic, limits)).toContain('[MQTT-3.3.2-2]');
  });
});

describe('a topic filter', () => {
  it.each([
    'a',
    '/',
    '#',
    '+',
    '/#',
    '+/#',
    '+/+',
    '/+/',
    'a/+/b/#',
    'sport/tennis/#',
    '$SYS/#',
    '$share',
    '$shared/a',
  ])('may be %j', (filter) => {
    expect(topicFilterProblem(filter, limits)).toBeUndefined();
  });

  it.each(['sport/tennis#', 'sport/tennis/#/ranking', '#/', '#/#', '##', 'a/#b', '+#'])(
    '[MQTT-4.7.1-2] has # alone and last: %j',
    (filter) => {
      expect(topicFilterProblem(filter, limits)).toContain('[MQTT-4.7.1-2]');
    },
  );

  it.each(['sport+', '+sport', 'a/b+/c', '++', 'a/+b'])('[MQTT-4.7.1-3] has + alone: %j', (filter) => {
    expect(topicFilterProblem(filter, limits)).toContain('[MQTT-4.7.1-3]');
  });

  it.each(['$share/group/a', '$share/', '$share/group/#'])('is not a shared subscription: %j', (filter) => {
    expect(topicFilterProblem(filter, limits)).toContain('shared subscriptions');
  });

  it('is one that the generator of these tests makes', () =>
    fc.assert(
      fc.property(topicFilter, (filter) => {
        expect(topicFilterProblem(filter, limits)).toBeUndefined();
      }),
      { numRuns: 1_000 },
    ));
});

describe.each([
  ['topic name', topicNameProblem],
  ['topic filter', topicFilterProblem],
])('a %s', (_name, problem) => {
  it('[MQTT-4.7.3-1] is not empty', () => {
    expect(problem('', limits)).toContain('[MQTT-4.7.3-1]');
  });

  it.each(['\u0000', 'a/\u0000', '\u0000b'])('[MQTT-4.7.3-2] has no U+0000: %j', (topic) => {
    expect(problem(topic, limits)).toContain('[MQTT-4.7.3-2]');
  });

  it.each([
    ['ASCII', 'a', 512],
    ['two bytes a character', 'ü', 256],
    ['three bytes a character', '€', 170],
    ['four bytes a character', '😀', 128],
  ])('is within the limit in bytes: %s', (_name, character, most) => {
    expect(problem(character.repeat(most), limits)).toBeUndefined();
    expect(problem(character.repeat(most + 1), limits)).toBe('longer than 512 bytes');
  });

  it('[MQTT-4.7.3-3] is within 65,535 bytes, whatever the limit', () => {
    const unlimited = { maxTopicBytes: 1_000_000, maxTopicLevels: 16 };
    expect(problem('a'.repeat(65_535), unlimited)).toBeUndefined();
    expect(problem('a'.repeat(65_536), unlimited)).toBe('longer than 65535 bytes');
  });

  it('is within the limit in levels, of which empty ones count', () => {
    expect(problem('/'.repeat(15), limits)).toBeUndefined();
    expect(problem('/'.repeat(16), limits)).toBe('more than 16 levels');
  });
});

describe('utf8Length', () => {
  it('counts as UTF-8 is written', () =>
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(utf8Length(text)).toBe(Buffer.byteLength(text));
      }),
      { numRuns: 1_000 },
    ));

  it.each([
    ['', 0],
    ['\u007f', 1],
    ['\u0080', 2],
    ['\u07ff', 2],
    ['\u0800', 3],
    ['\uffff', 3],
    ['\u{10000}', 4],
  ])('of %j is %d', (text, bytes) => {
    expect(utf8Length(text)).toBe(bytes);
  });
});
