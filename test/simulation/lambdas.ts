/**
 * Lambdas in virtual time. Every call of a port waits until it is chosen; a Lambda may die before or after any of them, and
 * does when its time is up. Of a dead Lambda nothing goes on.
 */
import type { Clock } from '../../src/broker/ports.ts';
import { nameOfCall } from './calls.ts';
import type { Choices } from './choices.ts';
import type { Faults } from './faults.ts';
import type { Time } from './time.ts';
import { spotOf } from './weak-spot.ts';

export interface Lambda {
  readonly name: string;
  readonly deadline: number;
  /** How far its clock is off, ms. */
  readonly clockError: number;
  state: 'running' | 'done' | 'failed' | 'dead';
  stalled: boolean;
  readonly onEnd: (lambda: Lambda) => void;
}

interface Call {
  readonly lambda: Lambda;
  readonly go: () => void;
  /** It was to be made once already, at the weak spot. */
  tried: boolean;
}

type Method = (...args: unknown[]) => Promise<unknown>;

export interface LambdasOptions {
  readonly choices: Choices;
  readonly faults: Faults;
  readonly time: Time;
  /** Longest run, ms. */
  readonly timeout: number;
  /** Clocks differ by twice this at most, ms. */
  readonly clockError: number;
  /** Calls whose name has one of these spots go wrong more often than others. */
  readonly weakSpots: readonly number[];
  /** A post that has not left by then is given up, ms. */
  readonly postTimeout: number;
  /** Absent where nobody reads it. */
  readonly trace: ((line: string) => void) | undefined;
}

export function createLambdas({
  choices,
  faults,
  time,
  timeout,
  clockError,
  weakSpots,
  postTimeout,
  trace,
}: LambdasOptions) {
  const waiting: Call[] = [];
  const running = new Set<Lambda>();
  let started = 0;
  let lost = 0;

  const end = (lambda: Lambda, state: Lambda['state']): void => {
    if (lambda.state !== 'running') return;
    lambda.state = state;
    running.delete(lambda);
    if (state !== 'done') lost++;
    for (let index = waiting.length - 1; index >= 0; index--) {
      if (waiting[index]?.lambda === lambda) waiting.splice(index, 1);
    }
    lambda.onEnd(lambda);
  };

  const carryOut = (lambda: Lambda, name: string, call: () => Promise<unknown>): Promise<unknown> | undefined => {
    if (faults.strikes('death')) {
      const after = choices.chance(0.5);
      trace?.(`${lambda.name} dies ${after ? 'after' : 'before'} ${name}`);
      if (after) void call();
      end(lambda, 'dead');
      return undefined;
    }
    if (faults.strikes('outage')) {
      const after = choices.chance(0.5);
      trace?.(`  which fails${after ? ', but has its effect' : ''}`);
      const outage = () => Promise.reject(new Error(`${name} failed`));
      return after ? call().then(outage, outage) : outage();
    }
    if (faults.strikes('stall')) {
      hang(lambda);
    }
    return call();
  };

  const hang = (lambda: Lambda): void => {
    trace?.(`  and ${lambda.name} hangs`);
    lambda.stalled = true;
    const most = choices.chance(0.5) ? 3_000 : timeout + 5_000;
    time.after(500 + choices.below(most), () => {
      lambda.stalled = false;
    });
  };

  const isWeak = (port: string, method: string, args: readonly unknown[]): boolean =>
    weakSpots.includes(spotOf(nameOfCall(port, method, args)));

  /** The same port, each call of which waits for its turn. */
  const guard = <P extends object>(portName: string, port: P, lambda: Lambda): P =>
    new Proxy(port, {
      get: (target, property) => {
        const method = target[property as keyof P] as Method;
        return (...args: unknown[]) =>
          new Promise((resolve, reject) => {
            const madeAt = time.now();
            const go = (): void => {
              const name = `${portName}.${String(property)}`;
              trace?.(`${lambda.name}: ${name} ${show(args)}`);
              if (!call.tried && isWeak(portName, String(property), args) && faults.strikes('weakSpot')) {
                call.tried = true;
                if (choices.chance(0.2)) end(lambda, 'dead');
                else {
                  hang(lambda);
                  waiting.push(call);
                }
                return;
              }
              if (name === 'gateway.post' && time.now() - madeAt > postTimeout) {
                resolve('unclear');
                return;
              }
              carryOut(lambda, name, () => method.apply(target, args))?.then(
                (value) => {
                  if (trace && isRefused(value)) trace('  refused');
                  if (lambda.state === 'running') resolve(value);
                },
                (error: unknown) => lambda.state === 'running' && reject(error),
              );
            };
            const call: Call = { lambda, go, tried: false };
            if (lambda.state === 'running') waiting.push(call);
          });
      },
    });

  const clockOf = (lambda: Lambda): Clock => ({
    now: () => time.now() + lambda.clockError,
    pause: (milliseconds) =>
      new Promise((resolve) => {
        time.after(milliseconds, () => lambda.state === 'running' && resolve());
      }),
  });

  return {
    guard,
    clockOf,
    /** `onEnd` is called once, whether it is done, throws, or dies. */
    start: (name: string, work: (lambda: Lambda) => Promise<void>, onEnd: Lambda['onEnd']): Lambda => {
      const lambda: Lambda = {
        name: `${name}#${++started}`,
        deadline: time.now() + timeout,
        clockError: clockError === 0 ? 0 : choices.below(2 * clockError) - clockError,
        state: 'running',
        stalled: false,
        onEnd,
      };
      running.add(lambda);
      const stop = time.after(
        timeout,
        () => {
          trace?.(`${lambda.name} is stopped: its time is up`);
          end(lambda, 'dead');
        },
        { patience: 0 },
      );
      work(lambda).then(
        () => {
          stop();
          end(lambda, 'done');
        },
        (error: unknown) => {
          stop();
          if (lambda.state === 'running') trace?.(`${lambda.name} throws ${error}`);
          end(lambda, 'failed');
        },
      );
      return lambda;
    },
    /** Calls that may be chosen. */
    waitingCount: () => waiting.reduce((count, { lambda }) => (lambda.stalled ? count : count + 1), 0),
    runningCount: () => running.size,
    /** Somebody hangs. */
    isAnyStalled: () => waiting.some(({ lambda }) => lambda.stalled),
    /** How many have not done what they were started for. */
    lostCount: () => lost,
    /** Lets the `index`-th waiting call go, or another, where that Lambda hangs. False: all of them hang. */
    go: (index: number): boolean => {
      for (let tried = 0; tried < waiting.length; tried++) {
        const at = (index + tried) % waiting.length;
        if (waiting[at]?.lambda.stalled) continue;
        const [call] = waiting.splice(at, 1);
        call?.go();
        return true;
      }
      return false;
    },
  };
}

export type Lambdas = ReturnType<typeof createLambdas>;

/** Arguments in one line: a conditional write by its name. */
const show = (args: readonly unknown[]): string =>
  args
    .map((each) => {
      const name = (each as { readonly name?: unknown } | undefined)?.name;
      return typeof name === 'string' ? name : JSON.stringify(each, shorten);
    })
    .join(' ')
    .slice(0, 300);

const shorten = (key: string, value: unknown): unknown =>
  key === 'payload' && value instanceof Uint8Array ? new TextDecoder().decode(value) : value;

/** A conditional write whose conditions did not hold. */
const isRefused = (value: unknown): boolean => (value as { readonly done?: unknown } | undefined)?.done === false;
