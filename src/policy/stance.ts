/**
 * Which way a statement errs. Where a match would give more, whatever is in doubt does not match; where it would give less, it does.
 *
 * A match of Allow + Resource (or of a positive operator) gives, one of Allow + NotResource (or of a negated operator) takes, and with
 * Deny it is the other way round:
 *
 *                                  | Allow, positive | Allow, negated | Deny, positive | Deny, negated
 *   a value must be one level      | yes             | yes            | no             | yes
 *   in doubt, the text matches     | no              | yes            | no             | no
 *   so that the statement applies  | no              | no             | no, as in IAM  | yes
 */

export type Effect = 'Allow' | 'Deny';

export interface Stance {
  readonly effect: Effect;
  /** What a value of the question or of the client puts into a topic must be one plain level of it. */
  readonly oneLevel: boolean;
  /** Whether a text that cannot be compared counts as one that matches. */
  readonly inDoubt: boolean;
}

/** `negated`: NotResource, or an operator such as StringNotEquals. */
export const stanceOf = (effect: Effect, negated: boolean): Stance => ({
  effect,
  oneLevel: effect === 'Allow' || negated,
  inDoubt: effect === 'Allow' && negated,
});
