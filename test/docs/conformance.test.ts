import { readFileSync } from 'node:fs';
import {
  conformanceMarkdown,
  namedIds,
  noteKinds,
  readStatements,
  render,
  type Statement,
  testFiles,
  testsById,
} from '../../scripts/conformance.ts';
import { withSection } from '../../scripts/generated-sections.ts';

describe('docs/conformance.md', () => {
  it('is what the tests say: else run npm run docs', () => {
    const text = readFileSync('docs/conformance.md', 'utf8');
    const section = { file: 'docs/conformance.md', marker: 'conformance', render: conformanceMarkdown };
    expect(text).toBe(withSection(text, section));
  });

  it('lists every statement once', () => {
    const text = conformanceMarkdown();
    for (const { id } of readStatements()) expect(text.match(new RegExp(`^[|-] ${id}[ :]`, 'gm'))).toHaveLength(1);
  });
});

it('no test names a statement that MQTT 3.1.1 does not have', () => {
  const known = new Set(readStatements().map(({ id }) => id));
  expect([...testsById()].filter(([id]) => !known.has(id))).toEqual([]);
});

describe('docs/conformance/mqtt-3.1.1.json', () => {
  const statements = readStatements();

  it('has the statements of Appendix B, in its order', () => {
    const inSection = {
      '1.5.3': 3,
      '2.2.2': 2,
      '2.3.1': 7,
      '3.1.0': 2,
      '3.1.2': 24,
      '3.1.3': 11,
      '3.1.4': 5,
      '3.2.0': 1,
      '3.2.2': 6,
      '3.3.1': 12,
      '3.3.2': 3,
      '3.3.4': 1,
      '3.3.5': 2,
      '3.6.1': 1,
      '3.8.1': 1,
      '3.8.3': 4,
      '3.8.4': 6,
      '3.9.3': 2,
      '3.10.1': 1,
      '3.10.3': 2,
      '3.10.4': 6,
      '3.12.4': 1,
      '3.14.1': 1,
      '3.14.4': 3,
      '4.1.0': 2,
      '4.3.1': 1,
      '4.3.2': 2,
      '4.3.3': 2,
      '4.4.0': 1,
      '4.5.0': 2,
      '4.6.0': 6,
      '4.7.1': 3,
      '4.7.2': 1,
      '4.7.3': 4,
      '4.8.0': 2,
      '6.0.0': 4,
      '7.0.0': 2,
      '7.1.1': 1,
      '7.1.2': 1,
    };
    const ids = Object.entries(inSection).flatMap(([section, count]) =>
      Array.from({ length: count }, (_, index) => `MQTT-${section}-${index + 1}`),
    );
    expect(statements.map(({ id }) => id)).toEqual(ids);
  });

  it.each(statements.map((statement) => [statement.id, statement] as const))(
    'is complete: %s',
    (_id, { binds, says, note }) => {
      expect(['server', 'client', 'both']).toContain(binds);
      expect(says).toMatch(/^[^|]{20,160}$/);
      if (note !== undefined) expect(noteKinds.filter((kind) => note.startsWith(`${kind}: `))).toHaveLength(1);
    },
  );
});

it('no id hides in the text of a cell, where it is no evidence: it has a column of its own', () => {
  const hidden = testFiles('test').filter((file) => /\[\s*(['"`])\[MQTT-/.test(readFileSync(file, 'utf8')));
  expect(hidden.filter((file) => !file.startsWith('test/docs/'))).toEqual([]);
});

describe('namedIds', () => {
  it.each([
    ['a test', `it('[MQTT-1.5.3-1] is refused', () => {});`, ['MQTT-1.5.3-1']],
    ['a group', `describe("[MQTT-1.5.3-1]", () => {});`, ['MQTT-1.5.3-1']],
    ['a name on a line of its own', `test(\n  \`[MQTT-1.5.3-1] a\`,\n);`, ['MQTT-1.5.3-1']],
    ['two ids', `it('[MQTT-1.5.3-1] [MQTT-4.7.3-4] both');`, ['MQTT-1.5.3-1', 'MQTT-4.7.3-4']],
    ['a table', `it.each([\n  ['a'],\n])('[MQTT-1.5.3-1] %s', () => {});`, ['MQTT-1.5.3-1']],
    ['the cell of a table', `it.each([['MQTT-1.5.3-1', 'a']])('[%s] %s', () => {});`, ['MQTT-1.5.3-1']],
    ['an id twice', `it('[MQTT-1.5.3-1] a'); it('[MQTT-1.5.3-1] b');`, ['MQTT-1.5.3-1']],
    ['an id that is none', `it('[MQTT-1.5.3.1] a');`, ['MQTT-1.5.3.1']],
    ['a comment', `// [MQTT-1.5.3-1]\nit('a');`, []],
    ['an expectation', `it('a', () => expect(b).toThrow('[MQTT-1.5.3-1] no'));`, []],
    [
      'a test that is skipped',
      `it.skip('[MQTT-1.5.3-1] later'); it.todo('[MQTT-1.5.3-2]'); xit('[MQTT-1.5.3-3]');`,
      [],
    ],
    ['an id without brackets in a name', `it('MQTT-1.5.3-1 is kept');`, []],
  ])('of %s', (_name, source, ids) => {
    expect(namedIds(source)).toEqual(ids);
  });
});

describe('render', () => {
  const statement = (id: string, more: Partial<Statement> = {}): Statement => ({
    id,
    binds: 'both',
    says: 'Says.',
    ...more,
  });

  it('counts what binds a server, is in scope and is named', () => {
    const statements = [
      statement('MQTT-1'),
      statement('MQTT-2', { binds: 'server' }),
      statement('MQTT-3', { binds: 'client' }),
      statement('MQTT-4', { note: 'not yet: QoS 2' }),
      statement('MQTT-5', { note: 'deviates: text frames' }),
      statement('MQTT-6', { note: 'does not apply: no' }),
      statement('MQTT-7', { note: 'in part: no PUBREL' }),
    ];
    const tests = new Map([
      ['MQTT-1', ['test/a.test.ts']],
      ['MQTT-3', ['test/a.test.ts']],
      ['MQTT-4', ['test/a.test.ts']],
    ]);
    expect(render(statements, tests).split('\n')[0]).toBe(
      'Of 7 statements, 6 bind a server: 3 are in scope today, 1 wait for a feature, 2 are deviated from or do not apply. ' +
        '**Tests name 1 of the 3 in scope.**',
    );
  });

  it.each([
    ['nothing', undefined, [], 'not yet: no test names it'],
    ['a note', 'not yet: QoS 2', [], 'not yet: QoS 2'],
    ['a test', undefined, ['test/mqtt/a.test.ts'], '[mqtt/a](../test/mqtt/a.test.ts)'],
    ['both', 'in part: b', ['test/a.test.ts'], '[a](../test/a.test.ts)<br>in part: b'],
  ])('shows of a statement with %s what there is', (_name, note, tests, shown) => {
    const one = statement('MQTT-1', note === undefined ? {} : { note });
    expect(render([one], new Map(tests.length > 0 ? [['MQTT-1', tests]] : []))).toContain(
      `| MQTT-1 | Says. | ${shown} |`,
    );
  });
});
