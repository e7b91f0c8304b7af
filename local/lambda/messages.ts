/** What the runner and a worker say to each other. Plain JSON. */

export interface WorkerSetup {
  /** Bundle with the exported `handler`. */
  readonly file: string;
  /** One Int32: the worker sleeps on it while it is 0. */
  readonly alarm: SharedArrayBuffer;
  /** One BigInt64: the milliseconds that the stack's time is ahead of the machine's. */
  readonly skipped: SharedArrayBuffer;
}

export interface Invocation {
  readonly requestId: string;
  /** JSON. */
  readonly event: string;
  readonly functionName: string;
  /** Milliseconds since the epoch. */
  readonly deadline: number;
}

export interface LambdaError {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly stack?: string;
}

export type WorkerMessage =
  /** The module is loaded, the handler found. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'failedToLoad'; readonly error: LambdaError }
  | { readonly kind: 'output'; readonly text: string }
  /** `result` is JSON. */
  | { readonly kind: 'returned'; readonly requestId: string; readonly result: string }
  | { readonly kind: 'threw'; readonly requestId: string; readonly error: LambdaError };
