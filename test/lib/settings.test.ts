import {
  brokerPart,
  brokerSettings,
  deploymentSettings,
  readBrokerSettings,
  readDeploymentSettings,
  SettingsError,
} from '../../lib/settings.ts';

const said = (given: Record<string, unknown>): string => {
  try {
    readDeploymentSettings({ authentication: 'none', ...given });
  } catch (error) {
    if (error instanceof SettingsError) return error.message;
    throw error;
  }
  return '';
};

/** What the ways to prove who one is need besides. */
const proofs = {
  jwtIssuer: 'https://issuer.example',
  jwtAudience: 'devices',
  customAuthorizerArn: 'arn:aws:lambda:us-east-1:123456789012:function:authorizer',
};

const value = (name: string, given: unknown) =>
  Object.entries(readDeploymentSettings({ authentication: 'none', [name]: given }));

describe('a whole-number setting', () => {
  const bounds: [name: string, least: number, most: number][] = [
    ['sessionExpirySeconds', 1, 1_209_600],
    ['redeliveryRate', 1, 1_000],
    ['maxPayloadBytes', 1, 131_072],
    ['maxStoredMessages', 1, 100_000],
    ['maxStoredBytes', 1, 10_737_418_240],
    ['maxInFlight', 1, 1_000],
    ['maxSubscriptions', 1, 1_000],
    ['maxClientIdBytes', 23, 900],
    ['maxTopicBytes', 8, 900],
    ['maxTopicLevels', 1, 128],
    ['maxFilterShapes', 1, 1_000],
    ['policyCheckSeconds', 1, 30],
    ['policyCacheSeconds', 1, 86_400],
    ['policyCacheEntries', 1, 100_000],
    ['logRetentionDays', 1, 3_653],
    ['lambdaMemoryMb', 128, 10_240],
    ['redeliveryConcurrency', 2, 1_000],
  ];

  test.each(bounds)('%s goes from %d to %d', (name, least, most) => {
    expect(value(name, least)).toContainEqual([name, least]);
    expect(value(name, String(most))).toContainEqual([name, most]);
    expect(said({ [name]: least - 1 })).toBe(`setting ${name} is ${least - 1}: it must be at least ${least}`);
    expect(said({ [name]: String(most + 1) })).toBe(`setting ${name} is "${most + 1}": it must be at most ${most}`);
  });

  test('the table above has all of them', () => {
    const all = Object.entries(readDeploymentSettings({ authentication: 'none' })).filter(
      ([, byDefault]) => typeof byDefault === 'number',
    );
    expect(bounds.map(([name]) => name).sort()).toEqual(all.map(([name]) => name).sort());
  });

  test.each([1.5, 'fast', '', ' 5', '1e3', '0x10', true, null, [], {}])('is not %j', (given) => {
    expect(said({ redeliveryRate: given })).toBe(
      `setting redeliveryRate is ${JSON.stringify(given)}: it must be a whole number`,
    );
  });

  test('may be negative in the message only', () => {
    expect(said({ redeliveryRate: '-5' })).toBe('setting redeliveryRate is "-5": it must be at least 1');
  });
});

describe('a setting with rules of its own', () => {
  test('logRetentionDays takes what CloudWatch takes', () => {
    expect(value('logRetentionDays', '365')).toContainEqual(['logRetentionDays', 365]);
    expect(said({ logRetentionDays: 31 })).toMatch(/^setting logRetentionDays is 31: it must be one of 1, 3, 5, 7, /);
  });

  test('liveTraffic is one of two words', () => {
    expect(value('liveTraffic', 'interleaved')).toContainEqual(['liveTraffic', 'interleaved']);
    expect(said({ liveTraffic: 'fast' })).toBe('setting liveTraffic is "fast": it must be one of ordered, interleaved');
  });

  test('lifecycleEvents are on or off', () => {
    expect(value('lifecycleEvents', 'off')).toContainEqual(['lifecycleEvents', 'off']);
    expect(said({ lifecycleEvents: true })).toBe('setting lifecycleEvents is true: it must be one of on, off');
  });

  test.each(['none', 'password', 'jwt,password', 'password,jwt,custom,iam'])('authentication may be %s', (given) => {
    const { authentication } = readDeploymentSettings({ ...proofs, authentication: given });
    expect(authentication).toBe(given);
  });

  test.each(['', 'open', 'none,password', 'password,password', 'password, jwt', 'password,', 5, true])(
    'authentication may not be %j',
    (given) => {
      expect(said({ authentication: given })).toBe(
        `setting authentication is ${JSON.stringify(given)}: it must be one or several of password, jwt, custom, iam, separated by commas, or none`,
      );
    },
  );

  test('authentication jwt needs an issuer and an audience', () => {
    const missing = [
      'setting jwtIssuer is "": authentication jwt needs the URL of whoever issues the tokens',
      'setting jwtAudience is "": authentication jwt needs this broker\'s name with the issuer, or tokens that are for other services would be good here, too',
    ];
    const [noIssuer, noAudience] = missing;
    const [jwtIssuer, jwtAudience] = ['https://issuer.example', 'broker'];
    expect(said({ authentication: 'password,jwt' })).toBe(missing.join('\n'));
    expect(said({ authentication: 'jwt', jwtAudience })).toBe(noIssuer);
    expect(said({ authentication: 'jwt', jwtIssuer })).toBe(noAudience);
    expect(said({ authentication: 'jwt', jwtIssuer, jwtAudience })).toBe('');
    expect(said({ authentication: 'password' })).toBe('');
  });

  test.each([',', ',broker', 'broker,', 'broker,,other', 'broker, other'])(
    'jwtAudience may not be %j: a token for nobody would be one for us',
    (given) => {
      expect(said({ ...proofs, authentication: 'jwt', jwtAudience: given })).toBe(
        `setting jwtAudience is ${JSON.stringify(given)}: it must be names separated by commas`,
      );
    },
  );

  test('authentication has no default', () => {
    expect(said({ authentication: undefined })).toBe(
      'setting authentication is missing: it must be one or several of password, jwt, custom, iam, separated by commas, or none',
    );
  });

  test.each(['a', 'Broker-2', 'x'.repeat(32)])('stackName may be %s', (given) => {
    expect(value('stackName', given)).toContainEqual(['stackName', given]);
  });

  test.each(['', '2a', '-a', 'a_b', 'a b', 'x'.repeat(33), 5])('stackName may not be %j', (given) => {
    expect(said({ stackName: given })).toBe(
      `setting stackName is ${JSON.stringify(given)}: it must be 1–32 letters, digits and hyphens, a letter first`,
    );
  });

  test.each(['', '$default', 'a/b', 'x'.repeat(65)])('stageName may not be %j', (given) => {
    expect(said({ stageName: given })).toBe(
      `setting stageName is ${JSON.stringify(given)}: it must be 1–64 of A–Z a–z 0–9 _ -`,
    );
  });
});

describe('settings together', () => {
  test.each(['custom', 'password,custom'])('authentication %s needs a function to ask', (authentication) => {
    const { customAuthorizerArn: _, ...others } = proofs;
    expect(said({ ...others, authentication })).toBe(
      'setting customAuthorizerArn is "": authentication custom needs the ARN of the function to ask (on a laptop: npm start -- --authorizer FILE)',
    );
    expect(said({ ...others, authentication: 'password' })).toBe('');
  });

  test('what is not given has its default', () => {
    const defaults = readDeploymentSettings({ authentication: 'none' });
    expect(Object.keys(defaults)).toEqual([...Object.keys(brokerSettings), ...Object.keys(deploymentSettings)]);
    expect(defaults).toMatchObject({ redeliveryRate: 10, sessionExpirySeconds: 3_600, liveTraffic: 'ordered' });
  });

  test('every default keeps the rules of its setting', () => {
    expect(readDeploymentSettings(readDeploymentSettings({ authentication: 'none' }))).toEqual(
      readDeploymentSettings({ authentication: 'none' }),
    );
  });

  test('the message names every wrong value and every unknown name', () => {
    expect(said({ redeliveryRate: 0, speed: 1, toString: 2, stageName: '' }).split('\n')).toEqual([
      'there is no setting named speed: see the settings table in README.md',
      'there is no setting named toString: see the settings table in README.md',
      'setting redeliveryRate is 0: it must be at least 1',
      'setting stageName is "": it must be 1–64 of A–Z a–z 0–9 _ -',
    ]);
  });

  test('what only the deployment reads is unknown to the broker', () => {
    expect(() => readBrokerSettings({ stackName: 'a' })).toThrow('there is no setting named stackName');
  });

  test('the broker reads back the part made for it', () => {
    const part = brokerPart(readDeploymentSettings({ authentication: 'none', redeliveryRate: 7 }));
    expect(readBrokerSettings(JSON.parse(JSON.stringify(part)))).toEqual(part);
    expect(part).toMatchObject({ redeliveryRate: 7 });
    expect(Object.keys(part)).toEqual(Object.keys(brokerSettings));
  });
});
