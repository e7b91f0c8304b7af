/**
 * The parts of the documentation that are made from the code: one entry each. `npm run docs` writes them, and
 * `test/lib/generated-sections.test.ts` fails where a file holds something else.
 */

import { readFileSync } from 'node:fs';
import { settingsTable } from '../lib/settings-table.ts';
import { conformanceMarkdown } from './conformance.ts';

export interface GeneratedSection {
  readonly file: string;
  /** It stands between `<!-- marker:begin -->` and `<!-- marker:end -->`. */
  readonly marker: string;
  readonly render: () => string;
}

export const generatedSections: readonly GeneratedSection[] = [
  { file: 'README.md', marker: 'settings', render: settingsTable },
  { file: 'README.md', marker: 'example', render: () => codeBlock('examples/hello.mjs', 'js') },
  { file: 'README.md', marker: 'example-paho', render: () => codeBlock('examples/paho.mjs', 'js') },
  { file: 'docs/conformance.md', marker: 'conformance', render: conformanceMarkdown },
];

/** A file as it stands, read below the working directory. */
const codeBlock = (file: string, language: string): string => `\`\`\`${language}\n${readFileSync(file, 'utf8')}\`\`\``;

/** `text` with the section's present content in it. @throws Error when the markers are missing */
export const withSection = (text: string, { file, marker, render }: GeneratedSection): string => {
  const begin = `<!-- ${marker}:begin -->`;
  const end = `<!-- ${marker}:end -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`${file} lacks the lines ${begin} and ${end}`);
  return `${text.slice(0, from)}${begin}\n${render()}\n${text.slice(to)}`;
};
