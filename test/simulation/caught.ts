/** For each mutant a seed that catches it, as `npm run simulate -- --mutants` found it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const caughtFile = join(process.cwd(), 'test/simulation/caught.json');

export const caught = JSON.parse(readFileSync(caughtFile, 'utf8')) as Readonly<Record<string, number>>;

/** Mutants for which no seed is noted yet: the next long hunt is for them. */
export const notYetCaught: readonly string[] = [
  'without claim: = mode',
  'without count: <= backlogBytes',
  'without end: = epoch',
  'without endTick: = epoch',
  'without heal: = quietSince',
  'without inFlight.remove if = id, = epoch: = epoch',
  'without keep: = active',
  'without nudge: = epoch',
  'without nudge: = tickDueAt',
  'without park: = mode',
  'without park: = tick',
  'without resume: = status',
  'without stamp: <= epoch',
  'without stamp: = id',
  'without turnDirect: = epoch',
  'without unsubscribe: any(absent <= epoch)',
  'without unallocate: = sequence',
  'takes the oldest back first',
  'writes the subscription before it notes the filter',
  'forgets the filter before it is unsubscribed',
  'removes the record before what it is responsible for',
  'removes the note before the subscription',
  'takes an expired session for dead without ending it',
  'opens a connection that is closed already',
];
