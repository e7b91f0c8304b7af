/** What somebody may have meant who wrote a name that does not exist. */

/** More mistakes than this are no misspelling. */
const MOST_EDITS = 2;

/** The name that is one or two letters away, or is the same but for case. */
export function closestName(written: string, names: readonly string[]): string | undefined {
  const lower = written.toLowerCase();
  return names
    .map((name) => ({ name, edits: edits(lower, name.toLowerCase()) }))
    .filter(({ edits }) => edits <= MOST_EDITS)
    .toSorted((a, b) => a.edits - b.edits)[0]?.name;
}

/** Letters to insert, to leave out or to replace. */
function edits(from: string, to: string): number {
  // Not compared at all: a name may be as long as a document.
  if (Math.abs(from.length - to.length) > MOST_EDITS) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
