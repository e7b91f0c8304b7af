/** What the calls of ports are called in mutants and weak spots: a conditional write by its own name. */
import type { Ports } from '../../src/broker/ports.ts';
import type { Change, Condition } from '../../src/session/change.ts';

export type PortName = Exclude<keyof Ports, 'clock' | 'ids' | 'secrets' | 'log'>;

/** One condition of one conditional write, as it is written in a mutant's name. */
export const render = (condition: Condition<object>): string =>
  condition[0] === 'any' ? `any(${condition[1].map(render).join(' ')})` : condition.slice(0, 2).join(' ');

export interface Conditional {
  readonly port: PortName;
  readonly method: string;
  /** Which write it is. */
  readonly name: (args: readonly unknown[]) => string;
  readonly conditions: (args: readonly unknown[]) => readonly Condition<object>[];
  readonly without: (args: readonly unknown[], kept: readonly Condition<object>[]) => unknown[];
}

const changed = (port: PortName, at: number): Conditional => ({
  port,
  method: 'change',
  name: (args) => (args[at] as Change<object>).name ?? `${port}.change`,
  conditions: (args) => (args[at] as Change<object>).if,
  without: (args, kept) => args.map((each, index) => (index === at ? { ...(each as object), if: kept } : each)),
});

const removed = (port: PortName, at: number): Conditional => ({
  port,
  method: 'remove',
  name: (args) => `${port}.remove if ${(args[at] as readonly Condition<object>[]).map(render).join(', ')}`,
  conditions: (args) => args[at] as readonly Condition<object>[],
  without: (args, kept) => args.map((each, index) => (index === at ? kept : each)),
});

export const conditionals: readonly Conditional[] = [
  changed('sessions', 1),
  changed('connections', 1),
  changed('wills', 2),
  changed('inFlight', 2),
  changed('copies', 2),
  changed('incoming', 2),
  changed('subscriptions', 2),
  changed('filters', 2),
  changed('retained', 1),
  removed('sessions', 1),
  removed('inFlight', 2),
  removed('subscriptions', 2),
  removed('filters', 2),
];

/** The conditional write by its name, any other call by its port and method. */
export const nameOfCall = (port: string, method: string, args: readonly unknown[]): string => {
  const conditional = conditionals.find((each) => each.port === port && each.method === method);
  return conditional ? conditional.name(args) : `${port}.${method}`;
};
