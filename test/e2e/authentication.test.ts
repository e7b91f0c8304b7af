/** Clients that prove who they are, by password and by token, over MQTT.js and the local stack. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { systemClock } from '../../src/aws/clock.ts';
import { failedLoginsKey, policyKey, principalKey } from '../../src/aws/keys.ts';
import { scryptPasswords } from '../../src/aws/passwords.ts';
import { createTable, type Table } from '../../src/aws/table.ts';
import type { FailedLogins } from '../../src/broker/ports.ts';
import { FAILED_LOGINS_TIME_TO_LIVE, IDENTITY_TIME_TO_LIVE } from '../../src/broker/time-to-live.ts';
import { createKey, type Issuer, signToken, startIssuer } from '../aws/issuer.ts';
import { type Stack, startStack } from './stack.ts';

/** A device has client ids that begin with its name, and topics of its own. */
const ownTopics = (arnBase: string): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 'iot:Connect', Resource: `${arnBase}client/\${aws:username}-*` },
      { Effect: 'Allow', Action: ['iot:Publish', 'iot:Receive'], Resource: `${arnBase}topic/\${aws:username}/*` },
      { Effect: 'Allow', Action: 'iot:Subscribe', Resource: `${arnBase}topicfilter/\${aws:username}/*` },
    ],
  });

const keys = { good: createKey('ES256', 'good'), forged: createKey('ES256', 'good') };

describe('authentication over the local stack', () => {
  let issuer: Issuer;
  let stack: Stack;
  let dynamodb: DynamoDBClient;
  let table: Table;

  beforeAll(async () => {
    issuer = await startIssuer(keys.good);
    stack = await startStack({
      settings: {
        authentication: 'password,jwt',
        jwtIssuer: issuer.url,
        jwtAudience: 'broker',
        jwtPoliciesClaim: 'groups',
      },
    });
    dynamodb = new DynamoDBClient({
      region: 'us-east-1',
      endpoint: stack.endpoint,
      credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
    });
    table = createTable({ client: dynamodb, name: stack.environment.IDENTITY_TABLE, clock: systemClock });
    const document = ownTopics(stack.environment.POLICY_ARN_BASE);
    await table.put(policyKey('own-topics'), { document }, IDENTITY_TIME_TO_LIVE);
    const passwordHash = await scryptPasswords.hash(new TextEncoder().encode('right-password'));
    for (const name of ['ann', 'bob']) {
      const principal = { passwordHash, policies: ['own-topics'], attributes: {} };
      await table.put(principalKey(name), principal, IDENTITY_TIME_TO_LIVE);
    }
  });
  afterAll(async () => {
    dynamodb.destroy();
    await stack.stop();
    await issuer.stop();
  });

  const tokenOf = (claims: Readonly<Record<string, unknown>> = {}, key = keys.good) => {
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    return signToken(key, { iss: issuer.url, aud: 'broker', sub: 'pump-7', groups: ['own-topics'], exp, ...claims });
  };
  const connect = (clientId: string, username: string, password: string) =>
    stack.connect(clientId, { username, password, reconnectPeriod: 0 });
  const refused = (code: number) => expect.objectContaining({ code });

  it.each<readonly [string, string, string, () => string]>([
    ['its password', 'ann', 'ann', () => 'right-password'],
    ['a token', 'pump-7', '', tokenOf],
  ])('a client with %s connects, and does what its policies allow', async (_, name, username, password) => {
    const client = await connect(`${name}-1`, username, password());
    await client.mqtt.subscribeAsync(`${name}/news`, { qos: 1 });
    await client.mqtt.publishAsync(`${name}/news`, 'for me', { qos: 1 });
    expect(await client.until(1)).toEqual(['for me']);
    await client.end();
    await expect(connect('somebody-else', username, password())).rejects.toEqual(refused(5));
  });

  it.each<readonly [string, string, () => string]>([
    ['a wrong password', 'ann', () => 'wrong-password'],
    ['a user name that nobody has', 'nobody', () => 'right-password'],
    ['a token of somebody else', '', () => tokenOf({}, keys.forged)],
    ['a token for another audience', '', () => tokenOf({ aud: 'other' })],
    ['a token that has expired', '', () => tokenOf({ exp: Math.floor(Date.now() / 1_000) - 60 })],
  ])('a client with %s gets return code 4', async (_, username, password) => {
    await expect(connect('pump-7-2', username, password())).rejects.toEqual(refused(4));
  });

  it('wrong passwords lock a name for a while', async () => {
    for (const guess of ['wrong-password-1', 'wrong-password-2']) {
      await expect(connect('bob-1', 'bob', guess)).rejects.toEqual(refused(4));
    }
    const failed = await table.get<FailedLogins>(failedLoginsKey('bob'));
    expect(failed).toMatchObject({ failures: 2 });
    // As after more of them: at its longest, so that the lock is there however slow this machine is.
    await table.put(failedLoginsKey('bob'), { ...failed, failures: 14 }, FAILED_LOGINS_TIME_TO_LIVE);
    await expect(connect('bob-1', 'bob', 'right-password')).rejects.toEqual(refused(4));
    await stack.skip(900_000);
    await (await connect('bob-1', 'bob', 'right-password')).end();
    expect(await table.get(failedLoginsKey('bob'))).toMatchObject({ failures: 0 });
  });

  it('nothing that a client has proved itself with is in a log', () => {
    const lines = stack.lines.join('\n');
    expect(lines).toContain('connect-refused');
    expect(lines).not.toMatch(/-password|nobody|eyJ/);
  });
});
