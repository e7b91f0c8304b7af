/** How the gateway's refusals are understood where it is asked for a socket. The rest is in the contract. */
import type { ApiGatewayManagementApiClient } from '@aws-sdk/client-apigatewaymanagementapi';
import { systemClock } from '../../src/aws/clock.ts';
import { createGateway } from '../../src/aws/gateway.ts';
import { freshConnection } from '../contracts/subject.ts';

const asked = (name: string, httpStatusCode?: number): Promise<boolean> => {
  const send = async () => {
    throw Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });
  };
  const client = { send } as unknown as ApiGatewayManagementApiClient;
  return createGateway({ client, clock: systemClock, postTimeout: 100 }).has(freshConnection());
};

describe('whether there is a socket', () => {
  it.each([
    ['GoneException', 410, false],
    ['Unknown', 410, false],
    ['LimitExceededException', 429, true],
    ['Unknown', 429, true],
    ['InternalServerErrorException', 500, true],
    ['TimeoutError', undefined, true],
  ])('%s (%s): %s', async (name, status, expected) => {
    expect(await asked(name, status)).toBe(expected);
  });

  it.each(['ForbiddenException', 'AccessDeniedException'])('%s is a mistake of ours', async (name) => {
    await expect(asked(name, 403)).rejects.toThrow(name);
  });
});
