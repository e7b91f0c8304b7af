/**
 * A custom authorizer: a Lambda function of yours that says who a client is. This one needs no database. Whoever hands out passwords
 * (password.mjs) signs them with a secret that this function has, too: a device's name, and until when the password is good.
 */
import { timingSafeEqual } from 'node:crypto';
import { signatureOf } from './signature.mjs';

const { SECRET, BLOCKED = '' } = process.env;
if (!SECRET) throw new Error('set the environment variable SECRET');

export const handler = async ({ protocolData: { mqtt } }) => {
  const name = (mqtt.username ?? '').split('?')[0];
  const password = Buffer.from(mqtt.password ?? '', 'base64').toString();
  const isName = /^[a-zA-Z0-9]{1,128}$/.test(name);
  if (!isName || BLOCKED.split(',').includes(name) || !isSigned(name, password)) return { isAuthenticated: false };
  return {
    isAuthenticated: true,
    principalId: name,
    disconnectAfterInSeconds: 86_400,
    refreshAfterInSeconds: 300, // a device whose password has expired, or that is in BLOCKED by then, is disconnected
    policyDocuments: [policyOf(name)],
  };
};

const isSigned = (name, password) => {
  const [expires, signature = ''] = password.split('.');
  const [given, expected] = [Buffer.from(signature), Buffer.from(signatureOf(SECRET, name, expires))];
  return given.length === expected.length && timingSafeEqual(given, expected) && Number(expires) * 1_000 > Date.now();
};

/** A device has client ids that begin with its name, and the topics below it. */
const policyOf = (name) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Action: 'iot:Connect',
      Resource: `arn:aws:iot:*:*:client/${name}-*`,
      Condition: { 'ForAllValues:StringEquals': { 'iot:ConnectAttributes': ['PersistentConnect', 'LastWill'] } },
    },
    { Effect: 'Allow', Action: ['iot:Publish', 'iot:Receive'], Resource: `arn:aws:iot:*:*:topic/${name}/*` },
    { Effect: 'Allow', Action: 'iot:Subscribe', Resource: `arn:aws:iot:*:*:topicfilter/${name}/*` },
  ],
});
