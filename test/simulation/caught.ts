/** For each mutant the first seed that catches it, as `npm run simulate -- --mutants` found it; null where it found none. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const caughtFile = join(process.cwd(), 'test/simulation/caught.json');

export const caught = JSON.parse(readFileSync(caughtFile, 'utf8')) as Readonly<Record<string, number | null>>;
