/** Entry of the CDK app; cdk.json names it. */
import { fileURLToPath } from 'node:url';
import { runApp } from '../lib/app.ts';

process.exitCode = runApp({
  root: fileURLToPath(new URL('..', import.meta.url)),
  say: (line) => console.error(line),
});
