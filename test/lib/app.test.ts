/** The CDK app from outside: context in, exit code and messages out. */
import { spawnSync } from 'node:child_process';
import { synthesised } from './synthesised.ts';

const where = 'Settings are given with -c name=value, or in cdk.json under "context".';

test('needs to be told how clients prove who they are, and nothing else', () => {
  const { exitCode, said, template } = synthesised();
  expect({ exitCode, said }).toEqual({ exitCode: 0, said: [] });
  expect(Object.keys(template.Resources)).not.toHaveLength(0);
});

test('fails without that, and names the choices', () => {
  const { exitCode, said } = synthesised({ authentication: undefined });
  expect(exitCode).toBe(1);
  expect(said.join('\n')).toContain(
    'setting authentication is missing: it must be one or several of password, jwt, custom, iam, separated by commas, or none',
  );
  expect(said.join('\n')).toContain(where);
});

test.each<[Record<string, unknown>, string]>([
  [{ redeliveryRate: 'fast' }, 'setting redeliveryRate is "fast": it must be a whole number'],
  [{ redeliveryRate: '0' }, 'setting redeliveryRate is "0": it must be at least 1'],
  [{ stackName: 'my_stack' }, 'setting stackName is "my_stack": it must be 1–32 letters, digits and hyphens'],
  [{ lambdaMemoryMb: 64, liveTraffic: 'x' }, 'setting lambdaMemoryMb is 64: it must be at least 128'],
  [{ lambdaMemoryMb: 64, liveTraffic: 'x' }, 'setting liveTraffic is "x": it must be one of ordered, interleaved'],
])('%j is refused in words', (context, message) => {
  const { exitCode, said } = synthesised(context);
  expect(exitCode).toBe(1);
  expect(said.join('\n')).toContain(message);
  expect(said.join('\n')).toContain(where);
});

test.each([
  ['redeliveryrate', 'redeliveryRate'],
  ['redelivryRate', 'redeliveryRate'],
  ['stack-name', 'stackName'],
  ['maxInflights', 'maxInFlight'],
])('%s draws a warning that names %s', (given, meant) => {
  const { exitCode, said } = synthesised({ [given]: 'x' });
  expect(exitCode).toBe(0);
  expect(said).toEqual([`Warning: there is no setting named ${given}, it is ignored: did you mean ${meant}?`]);
});

test.each([
  '@aws-cdk/core:enablePartitionLiterals',
  'aws:cdk:enable-asset-metadata',
  'availability-zones:account=1:region=eu-central-1',
  'acknowledged-issue-numbers',
  'cli-telemetry',
  'environment',
])('%s is somebody else’s and passes in silence', (key) => {
  expect(synthesised({ [key]: ['x'] })).toMatchObject({ exitCode: 0, said: [] });
});

test('as a command it ends with code 1 and no stack trace', () => {
  const { status, stderr, stdout } = spawnSync(process.execPath, ['--import', 'tsx', 'bin/app.ts'], {
    env: { ...process.env, CDK_CONTEXT_JSON: JSON.stringify({ authentication: 'none', maxInFlight: '1000000' }) },
    encoding: 'utf8',
  });
  expect({ status, stdout, stderr }).toEqual({
    status: 1,
    stdout: '',
    stderr: `setting maxInFlight is "1000000": it must be at most 1000\n${where}\n`,
  });
});
