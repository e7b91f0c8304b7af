/**
 * One Lambda environment: a worker thread that handles one invocation at a time.
 *
 * Rules of this file:
 * - An environment that timed out, was killed or crashed is never used again.
 * - Whatever happens, an invocation ends, exactly once.
 */
import { Worker } from 'node:worker_threads';
import type { Cancel, SkippableClock } from '../clock.ts';
import type { Invocation, LambdaError, WorkerMessage, WorkerSetup } from './messages.ts';

export type Outcome =
  | { readonly kind: 'returned'; readonly result: unknown }
  | {
      readonly kind: 'failed';
      readonly reason: 'threw' | 'timeout' | 'killed' | 'crashed';
      readonly error: LambdaError;
    };

export interface Environment {
  readonly id: string;
  /** Resolves when the module is loaded, or has failed to. */
  readonly loaded: Promise<void>;
  isAlive(): boolean;
  /** Only while no other invocation runs. */
  invoke(requestId: string, event: unknown, timeoutMs: number): Promise<Outcome>;
  /** Ends the thread at once, and with it the running invocation. */
  kill(): Promise<void>;
}

export interface EnvironmentOptions {
  readonly id: string;
  readonly functionName: string;
  readonly workerFile: string;
  readonly functionFile: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly clock: SkippableClock;
  readonly print: (line: string) => void;
}

export const startEnvironment = (options: EnvironmentOptions): Environment => {
  const { id, functionName, clock, print } = options;
  const alarm = new SharedArrayBuffer(4);
  const setup: WorkerSetup = { file: options.functionFile, alarm, skipped: clock.skipped };
  const worker = new Worker(options.workerFile, { workerData: setup, env: { ...options.variables }, execArgv: [] });

  let alive = true;
  let loadError: LambdaError | undefined;
  let finish: ((outcome: Outcome) => void) | undefined;
  let markLoaded: () => void = () => {};
  const loaded = new Promise<void>((resolve) => {
    markLoaded = resolve;
  });
  const lines = lineSplitter(print);

  const end = (outcome: Outcome): void => {
    finish?.(outcome);
    finish = undefined;
  };

  const fail = (reason: 'timeout' | 'killed' | 'crashed', error: LambdaError): void => {
    alive = false;
    markLoaded();
    end({ kind: 'failed', reason, error });
  };

  worker.on('message', (message: WorkerMessage) => {
    switch (message.kind) {
      case 'ready':
        return markLoaded();
      case 'failedToLoad':
        loadError = message.error;
        print(message.error.stack ?? `${message.error.errorType}: ${message.error.errorMessage}`);
        return fail('crashed', message.error);
      case 'output':
        return lines.write(message.text);
      case 'returned':
        return end({ kind: 'returned', result: JSON.parse(message.result) });
      case 'threw':
        // Lambda prints what a handler throws.
        print(message.error.stack ?? `${message.error.errorType}: ${message.error.errorMessage}`);
        return end({ kind: 'failed', reason: 'threw', error: message.error });
    }
  });
  // An exception outside of the handler's promise, such as in a timer.
  worker.on('error', (error: Error) => {
    print(error.stack ?? String(error));
    fail('crashed', { errorType: error.name, errorMessage: error.message });
  });
  worker.on('exit', (code) => {
    lines.flush();
    fail(
      'crashed',
      loadError ?? { errorType: 'Runtime.ExitError', errorMessage: `Runtime exited without a result (code ${code})` },
    );
  });

  return {
    id,
    loaded,
    isAlive: () => alive,

    invoke: async (requestId, event, timeoutMs) => {
      // The time of loading is not the invocation's: Lambda allows 10 s for it.
      await loaded;
      return new Promise((resolve) => {
        let cancel: Cancel = () => {};
        finish = (outcome) => {
          cancel();
          resolve(outcome);
        };
        if (!alive) {
          const error = loadError ?? { errorType: 'Runtime.ExitError', errorMessage: 'Runtime exited' };
          return end({ kind: 'failed', reason: 'crashed', error });
        }
        cancel = clock.after(timeoutMs, () => {
          print(`${functionName}: Task timed out after ${(timeoutMs / 1_000).toFixed(2)} seconds (${requestId})`);
          fail('timeout', {
            errorType: 'Sandbox.Timedout',
            errorMessage: `Task timed out after ${timeoutMs / 1_000} seconds`,
          });
          void worker.terminate();
        });
        const invocation: Invocation = {
          requestId,
          functionName,
          event: JSON.stringify(event),
          deadline: clock.now() + timeoutMs,
        };
        worker.postMessage(invocation);
        const flag = new Int32Array(alarm);
        Atomics.store(flag, 0, 1);
        Atomics.notify(flag, 0);
      });
    },

    kill: async () => {
      fail('killed', { errorType: 'Runtime.ExitError', errorMessage: 'Runtime exited: killed' });
      await worker.terminate();
    },
  };
};

/** Puts text together to lines. */
const lineSplitter = (print: (line: string) => void) => {
  let rest = '';
  return {
    write: (text: string): void => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) print(line);
    },
    flush: (): void => {
      if (rest !== '') print(rest);
      rest = '';
    },
  };
};
