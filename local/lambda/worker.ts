/**
 * Runs inside a worker thread: one Lambda environment. Loads the function's module once, then handles one invocation
 * after the other.
 *
 * Rules of this file:
 * - Between two invocations the thread sleeps, timers, sockets and all, as Lambda freezes an environment (assumption: the
 *   moment the handler returns). Work it left running goes on in the next invocation, or never.
 * - Output goes to the runner as messages, because a sleeping thread does not flush a stream.
 * - No import but of Node itself: this file is bundled alone.
 */
import { pathToFileURL } from 'node:url';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { Invocation, LambdaError, WorkerMessage, WorkerSetup } from './messages.ts';

type Handler = (event: unknown, context: object) => unknown;
type Exports = { readonly handler?: unknown };

const { file, alarm, skipped } = workerData as WorkerSetup;
const flag = new Int32Array(alarm);

/** The stack's time, which may be ahead of the machine's. */
const useTimeOfStack = (): void => {
  const ahead = new BigInt64Array(skipped);
  const machineNow = Date.now;
  Date.now = () => machineNow() + Number(Atomics.load(ahead, 0));
};

const tell = (message: WorkerMessage): void => parentPort?.postMessage(message);

const nextInvocation = (): Invocation => {
  for (;;) {
    const received = receiveMessageOnPort(parentPort as NonNullable<typeof parentPort>);
    if (received !== undefined) return received.message as Invocation;
    Atomics.wait(flag, 0, 0);
    Atomics.store(flag, 0, 0);
  }
};

const redirectOutput = (stream: NodeJS.WriteStream): void => {
  stream.write = ((chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
    tell({ kind: 'output', text: typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString() });
    const done = typeof encoding === 'function' ? encoding : callback;
    if (typeof done === 'function') done();
    return true;
  }) as typeof stream.write;
};

const describe = (error: unknown): LambdaError =>
  error instanceof Error
    ? { errorType: error.name, errorMessage: error.message, ...(error.stack && { stack: error.stack }) }
    : { errorType: typeof error, errorMessage: String(error) };

const loadHandler = async (): Promise<Handler> => {
  const module = (await import(pathToFileURL(file).href)) as Exports & { default?: Exports };
  const handler = module.handler ?? module.default?.handler; // of an ES module, of a CommonJS one
  if (typeof handler === 'function') return handler as Handler;
  throw new Error(`${file} exports no function named handler`);
};

const handle = async (handler: Handler, { requestId, event, functionName, deadline }: Invocation): Promise<void> => {
  const context = {
    awsRequestId: requestId,
    functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: `arn:aws:lambda:us-east-1:000000000000:function:${functionName}`,
    memoryLimitInMB: '512',
    logGroupName: `/aws/lambda/${functionName}`,
    logStreamName: 'local',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
  try {
    const result = await handler(JSON.parse(event), context);
    tell({ kind: 'returned', requestId, result: JSON.stringify(result ?? null) });
  } catch (error) {
    tell({ kind: 'threw', requestId, error: describe(error) });
  }
};

useTimeOfStack();
// Before the handler is loaded, so that its stack traces name the source.
process.setSourceMapsEnabled(true);
redirectOutput(process.stdout);
redirectOutput(process.stderr);
try {
  const handler = await loadHandler();
  tell({ kind: 'ready' });
  for (;;) await handle(handler, nextInvocation());
} catch (error) {
  tell({ kind: 'failedToLoad', error: describe(error) });
}
