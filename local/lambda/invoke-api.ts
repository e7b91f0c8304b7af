/**
 * Lambda's Invoke API, through which the broker asks the operator's function.
 *
 * Rules of this file:
 * - What the function itself does wrong is status 200 and `X-Amz-Function-Error`; every other error names itself in
 *   `x-amzn-errortype`.
 * - RequestResponse only, and no log tail: nothing here uses more.
 */
import { randomUUID } from 'node:crypto';
import type { Answer } from '../answer.ts';
import { ACCOUNT } from '../sqs/queues.ts';
import type { Outcome } from './environment.ts';
import type { LambdaError } from './messages.ts';

/** Of a request, and of an answer, bytes. */
const LARGEST_REQUEST = 6 * 1024 * 1024;
const LARGEST_ANSWER = LARGEST_REQUEST + 100;

export interface InvokeApiOptions {
  /** Names of the functions that are there to be called. */
  readonly functions: readonly string[];
  readonly invoke: (functionName: string, event: unknown) => Promise<Outcome>;
}

/** @param invocationType the header `X-Amz-Invocation-Type` */
export type InvokeApi = (path: string, invocationType: string | undefined, body: Buffer) => Promise<Answer>;

const ARN_BASE = `arn:aws:lambda:us-east-1:${ACCOUNT}:function:`;

export const functionArn = (name: string): string => `${ARN_BASE}${name}`;

/** What an Invoke is for: a name, or an ARN, either with its qualifier; undefined where the path is that of no Invoke. */
export const invokedIn = (path: string): string | undefined => {
  const [, encoded, query] = /^\/2015-03-31\/functions\/([^/?]+)\/invocations(\?.*)?$/.exec(path) ?? [];
  if (encoded === undefined) return undefined;
  const qualifier = new URLSearchParams(query).get('Qualifier');
  return [decoded(encoded), ...(qualifier === null ? [] : [qualifier])].join(':');
};

/** The name in a name, or in an ARN of this account. */
export const functionNameIn = (nameOrArn: string): string =>
  nameOrArn
    .replace(ARN_BASE, '')
    .replace(`${ACCOUNT}:function:`, '')
    .replace(/:\$LATEST$/, '');

export const invokeApi = ({ functions, invoke }: InvokeApiOptions): InvokeApi => {
  return async (path, invocationType = 'RequestResponse', body) => {
    const name = functionNameIn(invokedIn(path) ?? '');
    if (body.length > LARGEST_REQUEST) {
      const text = `Request must be smaller than ${LARGEST_REQUEST} bytes for the InvokeFunction operation`;
      return failure(413, 'RequestTooLargeException', text);
    }
    if (!functions.includes(name))
      return failure(404, 'ResourceNotFoundException', `Function not found: ${functionArn(name)}`);
    if (invocationType !== 'RequestResponse')
      return failure(400, 'InvalidParameterValueException', `The local stack knows no ${invocationType}.`);
    const event = parsed(body);
    if (event === undefined)
      return failure(400, 'InvalidRequestContentException', 'Could not parse request body into json');
    return answerOf(await invoke(name, event.value));
  };
};

const answerOf = (outcome: Outcome): Answer => {
  if (outcome.kind === 'returned') {
    const text = JSON.stringify(outcome.result);
    if (Buffer.byteLength(text) <= LARGEST_ANSWER) return success(text);
    return functionError({
      errorType: 'Function.ResponseSizeTooLarge',
      errorMessage: `Response payload size exceeded maximum allowed payload size (${LARGEST_ANSWER} bytes).`,
    });
  }
  // Only the end of the stack kills a function that calls nobody.
  if (outcome.reason === 'killed') return failure(500, 'ServiceException', outcome.error.errorMessage);
  return functionError(outcome.error);
};

const functionError = ({ errorType, errorMessage, stack }: LambdaError): Answer =>
  success(JSON.stringify({ errorType, errorMessage, ...(stack && { trace: stack.split('\n') }) }), {
    'x-amz-function-error': 'Unhandled',
  });

const success = (body: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status: 200,
  headers: {
    'content-type': 'application/json',
    'x-amz-executed-version': '$LATEST',
    'x-amzn-requestid': randomUUID(),
    ...headers,
  },
  body,
});

const failure = (status: number, type: string, message: string): Answer => ({
  status,
  headers: { 'content-type': 'application/json', 'x-amzn-errortype': type, 'x-amzn-requestid': randomUUID() },
  body: JSON.stringify({ Type: status < 500 ? 'User' : 'Server', message }),
});

/** An empty body is an empty event. */
const parsed = (body: Buffer): { readonly value: unknown } | undefined => {
  try {
    return { value: body.length === 0 ? {} : JSON.parse(body.toString()) };
  } catch {
    return undefined;
  }
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
