/** Items of the identity table that are not of their type: somebody wrote them by other means than the commands. */
import { PutItemCommand } from '@aws-sdk/client-dynamodb';
import { marshall } from '@aws-sdk/util-dynamodb';
import { grantKey, type Key, policyKey } from '../../src/aws/keys.ts';
import { readPolicy } from '../../src/policy/read-policy.ts';
import type { GrantId } from '../../src/session/ids.ts';
import { createAwsSubject } from '../contracts/aws-subject.ts';

describe('an item of the identity table', () => {
  let subject: Awaited<ReturnType<typeof createAwsSubject>>;
  beforeAll(async () => {
    subject = await createAwsSubject();
  });
  afterAll(() => subject.stop());

  const put = (key: Key, record: object) =>
    subject.clients.dynamodb.send(new PutItemCommand({ TableName: 'identity', Item: marshall({ ...key, ...record }) }));

  it.each([
    ['a number', { document: 5 }],
    ['an object', { document: { Version: '2012-10-17', Statement: [] } }],
    ['null', { document: null }],
    ['nothing', {}],
  ])('whose document is %s is a policy that cannot be read, and not one that is missing', async (_, record) => {
    await put(policyKey('broken'), record);
    const document = await subject.ports.identity.policy('broken');
    expect(document === undefined ? undefined : readPolicy({ name: 'broken', document })).toHaveProperty('problem');
  });

  const id = 'broken' as GrantId;
  const grant = { principal: 'password:x', records: ['x'], policies: [], documents: [], values: { 'aws:userid': 'x' } };

  it('is a grant', async () => {
    await put(grantKey(id), grant);
    expect(await subject.ports.identity.grant(id)).toEqual(grant);
  });

  it.each([
    ['no principal', { principal: undefined }],
    ['records that are one text', { records: 'x' }],
    ['no policies', { policies: undefined }],
    ['documents that are no texts', { documents: [{}] }],
    ['a value that is a number', { values: { 'aws:userid': 5 } }],
    ['no values', { values: undefined }],
  ])('with %s is no grant', async (_, changes) => {
    const record = Object.fromEntries(
      Object.entries({ ...grant, ...changes }).filter(([, value]) => value !== undefined),
    );
    await put(grantKey(id), record);
    expect(await subject.ports.identity.grant(id)).toBeUndefined();
  });
});
