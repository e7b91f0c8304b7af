/**
 * What the operator's authorizer has answered, in the words of AWS IoT Core, read strictly.
 *
 * Rules of this file:
 * - Pure. What is not as it should be refuses the client: nobody knows what was meant.
 * - The problem names the place, and shows nothing of what stands there, which may be a credential. Policies are none.
 */
import { readPolicy } from '../policy/read-policy.ts';

/** The client is who it says. Times are seconds. */
export interface Acceptance {
  readonly accepted: true;
  readonly principalId: string;
  readonly disconnectAfter: number;
  readonly refreshAfter: number;
  /** JSON. */
  readonly documents: readonly string[];
}

/** `problem`: for the log. */
export type Verdict = Acceptance | { readonly accepted: false; readonly problem: string };

const MOST_DOCUMENTS = 10;
/** Characters, white space not counted. */
const LONGEST_DOCUMENT = 2_048;
/** Seconds. */
const [SHORTEST, LONGEST] = [300, 86_400];

export function readAnswer(answer: unknown): Verdict {
  if (!isObject(answer)) return problem('is no object');
  const { isAuthenticated, principalId, policyDocuments } = answer;
  if (isAuthenticated === false) return { accepted: false, problem: 'the authorizer has turned the client away' };
  if (isAuthenticated !== true) return problem('isAuthenticated is neither true nor false');
  if (typeof principalId !== 'string' || !/^[a-zA-Z0-9]{1,128}$/.test(principalId))
    return problem('principalId is not a text of 1 to 128 letters and digits');
  for (const name of ['disconnectAfterInSeconds', 'refreshAfterInSeconds'] as const) {
    if (!isTime(answer[name])) return problem(`${name} is not a whole number from ${SHORTEST} to ${LONGEST}`);
  }
  if (!Array.isArray(policyDocuments) || policyDocuments.length > MOST_DOCUMENTS)
    return problem(`policyDocuments is not a list of ${MOST_DOCUMENTS} at most`);
  const documents = policyDocuments.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)));
  for (const [index, document] of documents.entries()) {
    const fault = faultOf(document);
    if (fault) return problem(`policyDocuments[${index}] ${fault}`);
  }
  const { disconnectAfterInSeconds: disconnectAfter = LONGEST, refreshAfterInSeconds: refreshAfter = LONGEST } =
    answer as Readonly<Record<string, number | undefined>>;
  return { accepted: true, principalId, disconnectAfter, refreshAfter, documents };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTime = (value: unknown): boolean =>
  value === undefined || (Number.isInteger(value) && Number(value) >= SHORTEST && Number(value) <= LONGEST);

const faultOf = (document: string): string | undefined => {
  const length = document.replace(/\s/g, '').length;
  if (length > LONGEST_DOCUMENT) return `has ${length} characters, ${LONGEST_DOCUMENT} at most`;
  const read = readPolicy({ name: '', document });
  return 'problem' in read ? `cannot be read: ${read.problem}` : undefined;
};

const problem = (fault: string): Verdict => ({ accepted: false, problem: `the authorizer's answer: ${fault}` });
