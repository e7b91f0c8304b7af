/**
 * Stands between a Lambda and the services it calls: notes each call, refuses what its policy does not grant, and kills the Lambda at the one a fault switch
 * names, before the call is carried out or after it and before its answer.
 *
 * Rules of this file: a killed Lambda's other calls that are still on their way are not carried out. (Assumption: on AWS
 * each of them may or may not have arrived; the tests want one of the two.)
 */
import type { Answer } from './answer.ts';
import { accessDenied, type Need } from './authorization.ts';
import type { FaultSource, KillRule } from './faults.ts';
import type { Runner, RunningInvocation } from './lambda/runner.ts';

export interface CallGate {
  /**
   * Carries out a call, unless its caller is dead.
   * @param caller name of the Lambda environment, where the call comes from one
   * @returns undefined where the caller has died: nobody is left to answer
   */
  pass(
    caller: string | undefined,
    operation: string,
    need: Need,
    call: () => Promise<Answer>,
  ): Promise<Answer | undefined>;
  /** How often each operation was called, by whomever. */
  counts(): Readonly<Record<string, number>>;
}

/** @param allows whether a function's policy grants what a call needs */
export const createCallGate = (
  runner: Runner,
  faults: FaultSource,
  allows: (functionName: string, need: Need) => boolean,
): CallGate => {
  const counts = new Map<string, number>();

  /** The rule that wants the invocation dead at the call just noted, used up once. */
  const deathFor = (invocation: RunningInvocation, operation: string): KillRule | undefined => {
    const rules = faults.live.lambda.kill;
    const index = rules.findIndex(
      (rule) =>
        (rule.function === '*' || rule.function === invocation.functionName) &&
        (rule.operation === undefined || rule.operation === operation) &&
        invocation.calls.filter((made) => rule.operation === undefined || made === rule.operation).length === rule.call,
    );
    const rule = rules[index];
    if (rule === undefined) return undefined;
    faults.strike('lambda.kill');
    rule.times -= 1;
    if (rule.times === 0) rules.splice(index, 1);
    return rule;
  };

  return {
    counts: () => Object.fromEntries(counts),

    pass: async (caller, operation, need, call) => {
      if (caller !== undefined && runner.wasKilled(caller)) return undefined;
      counts.set(operation, (counts.get(operation) ?? 0) + 1);
      const invocation = caller === undefined ? undefined : runner.runningIn(caller);
      if (invocation === undefined) return call();
      invocation.calls.push(operation);
      if (!allows(invocation.functionName, need)) return accessDenied(invocation.functionName, need);
      const death = deathFor(invocation, operation);
      if (death === undefined) return call();
      if (death.when === 'after') await call();
      await invocation.kill();
      return undefined;
    },
  };
};
