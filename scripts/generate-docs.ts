/** `npm run docs`: writes the generated sections into their files. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generatedSections, withSection } from './generated-sections.ts';

for (const section of generatedSections) {
  const path = fileURLToPath(new URL(`../${section.file}`, import.meta.url));
  const before = readFileSync(path, 'utf8');
  const after = withSection(before, section);
  if (after !== before) writeFileSync(path, after);
  console.log(`${section.file}: ${section.marker} ${after === before ? 'unchanged' : 'written'}`);
}
