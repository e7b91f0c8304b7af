/**
 * The table of docs/conformance.md: which test names which normative statement of MQTT 3.1.1.
 *
 * A test names a statement by its id in brackets in the name of an `it`, `test` or `describe`, such as
 * `[MQTT-3.1.2-4]`, or by a string that is just the id, in a table for the `[%s]` of such a name. Names of tests that are
 * skipped do not count.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Statement {
  readonly id: string;
  readonly binds: 'server' | 'client' | 'both';
  /** In our words: the standard's are the standard's. */
  readonly says: string;
  /** Begins with one of `noteKinds` and a colon. Absent where the statement simply holds. */
  readonly note?: string;
}

/** `not yet` waits for a feature; `in part` holds as far as the features go. */
export const noteKinds = ['not yet', 'in part', 'does not apply', 'deviates'] as const;

export function readStatements(): readonly Statement[] {
  return JSON.parse(readFileSync('docs/conformance/mqtt-3.1.1.json', 'utf8')).statements;
}

/** The ids that the names in a test file hold, right or wrong, each once. */
export function namedIds(source: string): readonly string[] {
  const names = source.matchAll(/(?:\b(?:it|test|describe)|\))\(\s*(['"`])(?<name>(?:\\.|(?!\1).)*)\1/gs);
  const inNames = [...names].flatMap(({ groups }) => [...(groups?.name ?? '').matchAll(/\[(MQTT-[\d.-]*)\]/g)]);
  const inTables = source.matchAll(/['"`](MQTT-[\d.-]*)['"`]/g);
  return [...new Set([...inNames, ...inTables].map(([, id]) => id ?? ''))];
}

/** By id, the test files that name it, as paths from the root of the project. Tests of the documentation are no evidence. */
export function testsById(): ReadonlyMap<string, readonly string[]> {
  const tests = new Map<string, string[]>();
  for (const file of testFiles('test').filter((path) => !path.startsWith('test/docs/'))) {
    for (const id of namedIds(readFileSync(file, 'utf8'))) tests.set(id, [...(tests.get(id) ?? []), file]);
  }
  return tests;
}

/** What stands between the markers of docs/conformance.md. Reads the files below the current directory. */
export function conformanceMarkdown(): string {
  return render(readStatements(), testsById());
}

/** Pure: the Markdown of these statements and tests. */
export function render(statements: readonly Statement[], tests: ReadonlyMap<string, readonly string[]>): string {
  const ofServer = statements.filter(({ binds }) => binds !== 'client');
  const ofClient = statements.filter(({ binds }) => binds === 'client');
  const waiting = ofServer.filter(({ note }) => note?.startsWith('not yet'));
  const apart = ofServer.filter(({ note }) => note?.startsWith('deviates') || note?.startsWith('does not apply'));
  const inScope = ofServer.filter((statement) => !waiting.includes(statement) && !apart.includes(statement));
  const named = inScope.filter(({ id }) => tests.has(id));
  const row = (statement: Statement) => tableRow(statement, tests.get(statement.id) ?? []);
  return [
    `Of ${statements.length} statements, ${ofServer.length} bind a server: ${inScope.length} are in scope today, ` +
      `${waiting.length} wait for a feature, ${apart.length} are deviated from or do not apply. ` +
      `**Tests name ${named.length} of the ${inScope.length} in scope.**`,
    '## In scope',
    table(inScope.map(row)),
    '## Waiting for a feature',
    table(waiting.map(row)),
    '## Deviations, and what does not apply',
    table(apart.map(row)),
    '## What binds clients only',
    ofClient.map(({ id, says }) => `- ${id}: ${says}`).join('\n'),
  ].join('\n\n');
}

/** The test files below the folder, sorted, as paths from the root of the project. */
export function testFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join(folder, path).replaceAll('\\', '/'))
    .sort();
}

function table(rows: readonly string[]): string {
  return ['| Statement | In short | Tests |', '| --- | --- | --- |', ...rows].join('\n');
}

function tableRow({ id, says, note }: Statement, tests: readonly string[]): string {
  const links = tests.map((file) => `[${file.slice('test/'.length, -'.test.ts'.length)}](../${file})`);
  const shown = [...links, ...(note ? [note] : [])];
  return `| ${id} | ${says} | ${shown.length > 0 ? shown.join('<br>') : 'not yet: no test names it'} |`;
}
