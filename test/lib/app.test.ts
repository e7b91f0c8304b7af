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

test('what is nearly the name of a setting draws a warning that names it', () => {
  const meant = {
    redeliveryrate: 'redeliveryRate',
    redelivryRate: 'redeliveryRate',
    'stack-name': 'stackName',
    maxInflights: 'maxInFlight',
  };
  const { exitCode, said } = synthesised(meant);
  expect(exitCode).toBe(0);
  expect(said).toEqual(
    Object.entries(meant).map(
      ([given, name]) => `Warning: there is no setting named ${given}, it is ignored: did you mean ${name}?`,
    ),
  );
});

test('what is somebody else’s passes in silence', () => {
  const others = {
    '@aws-cdk/core:enablePartitionLiterals': ['x'],
    'aws:cdk:enable-asset-metadata': ['x'],
    'availability-zones:account=1:region=eu-central-1': ['x'],
    'acknowledged-issue-numbers': ['x'],
    'cli-telemetry': ['x'],
    environment: ['x'],
  };
  expect(synthesised(others)).toMatchObject({ exitCode: 0, said: [] });
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
