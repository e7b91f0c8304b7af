/**
 * The processes that Lambdas run in. Some are kept for the next Lambda, with all that they remember of who may do what; one that
 * stops a Lambda ends with it.
 *
 * Rules of this file: one Lambda at a time. Which function it is of makes no difference here.
 */
import { type Authority, createAuthority } from '../../src/broker/authority.ts';
import type { Settings } from '../../src/broker/context.ts';
import type { Clock, Identity, Log } from '../../src/broker/ports.ts';
import { ARN_BASE } from '../broker/world.ts';
import type { Choices } from './choices.ts';
import type { Lambda } from './lambdas.ts';

/** So many are kept. */
const MOST = 4;

interface Environment {
  readonly authority: Authority;
  /** The last one that ran in it. */
  lambda: Lambda;
  /** Calls that are under way: where a Lambda has ended before them, nobody hears what they return. */
  calls: number;
}

export interface EnvironmentsOptions {
  readonly choices: Choices;
  readonly settings: Settings;
  readonly log: Log;
  readonly clockOf: (lambda: Lambda) => Clock;
  /** As this Lambda calls it. */
  readonly identityOf: (lambda: Lambda) => Identity;
}

export function createEnvironments({ choices, settings, log, clockOf, identityOf }: EnvironmentsOptions) {
  const kept: Environment[] = [];
  const homes = new WeakMap<Lambda, Environment>();

  const begin = (lambda: Lambda): Environment => {
    const environment = { lambda, calls: 0 };
    const identity = new Proxy({} as Identity, {
      get:
        (_, method: keyof Identity) =>
        async (...args: readonly unknown[]) => {
          environment.calls++;
          const port = identityOf(environment.lambda) as unknown as Record<string, (...args: unknown[]) => unknown>;
          try {
            return await port[method]?.(...args);
          } finally {
            environment.calls--;
          }
        },
    });
    const authority = createAuthority({ identity, clock: clockOf(lambda), log, settings, arnBase: ARN_BASE });
    kept.push(Object.assign(environment, { authority }));
    return kept.at(-1) as Environment;
  };
  const isFree = ({ lambda, calls }: Environment): boolean =>
    calls === 0 && (lambda.state === 'done' || lambda.state === 'failed');
  const isOver = ({ lambda, calls }: Environment): boolean =>
    lambda.state !== 'running' && (lambda.state === 'dead' || calls > 0);

  const moveIn = (lambda: Lambda): Environment => {
    for (let index = kept.length - 1; index >= 0; index--)
      if (isOver(kept[index] as Environment)) kept.splice(index, 1);
    const free = kept.filter(isFree);
    const isWarm = free.length > 0 && choices.chance(free.length >= MOST ? 1 : 0.7);
    const environment = isWarm ? choices.pick(free) : begin(lambda);
    environment.lambda = lambda;
    homes.set(lambda, environment);
    return environment;
  };

  return {
    /** What the process of this Lambda knows of rights. */
    authorityOf: (lambda: Lambda): Authority => (homes.get(lambda) ?? moveIn(lambda)).authority,
  };
}
