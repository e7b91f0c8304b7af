/** Why a policy document cannot be read. Thrown by everything that reads one, caught in one place (`read-policy.ts`). */

export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  /** Where in the document: `Statement 2, Condition.StringLike`, or `line 3, column 5` where it is no JSON. */
  readonly place: string;
  readonly reason: string;

  constructor(place: string, reason: string) {
    super(`${place}: ${reason}`);
    this.place = place;
    this.reason = reason;
  }
}

const MOST_QUOTED = 60;

/** A text of the document as a message shows it: on one line, and not all of a long one. */
export const quoted = (text: string): string =>
  JSON.stringify(text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text);
