/**
 * The order of the test files: those that take longest come first, on a machine that runs them for the first time too.
 *
 * Jest 30 gives each file an AsyncLocalStorage, and on Node 20 every promise of a process pays for all that were ever used in
 * it: behind a hundred other files the simulation, which makes promises and nothing else, takes five times as long.
 */
import Sequencer from '@jest/test-sequencer';

const slowest = [
  'test/simulation/simulation',
  'test/simulation/mutants',
  'test/broker/failures-of-',
  'test/e2e/killed-lambdas',
  'test/broker/fuzz',
  'test/lib/b', // bundles and broker-stack
  'test/e2e/administration',
  'test/e2e/iam',
  'test/e2e/custom-authorizer.',
  'test/e2e/commands',
  'test/model/model',
  'test/e2e/browser',
];

const rank = ({ path }) => {
  const found = slowest.findIndex((name) => path.includes(name));
  return found < 0 ? slowest.length : found;
};

export default class SlowestFirst extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
