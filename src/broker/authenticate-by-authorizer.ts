/**
 * Who is it? A Lambda of the operator says so, with the policies that come with it: AWS IoT Core's custom authentication.
 *
 * Rules of this file:
 * - What the function says is good for this connection, until it is asked again (`reauthorize.ts`): that is the cache that IoT Core
 *   speaks of. Another connection of the same client asks anew.
 * - What was asked is kept only where it is asked again.
 */
import { askAuthorizer } from './ask-authorizer.ts';
import { type Authentication, type Claim, noProof, originValues } from './authentication.ts';
import { requestOf } from './authorizer-request.ts';
import type { Context } from './context.ts';
import { uuidOf } from './lifecycle.ts';

export async function authenticateByAuthorizer(context: Context, claim: Claim): Promise<Authentication> {
  const request = requestOf(claim, {
    handshake: await context.connections.readHandshake(claim.connectionId),
    tokenKey: context.settings.customAuthorizerTokenKey,
    id: uuidOf(context.secrets.hash(claim.connectionId)),
  });
  const verdict = await askAuthorizer(context, request);
  if (!verdict.accepted) return noProof(5, verdict.problem);
  const { principalId, documents, disconnectAfter, refreshAfter } = verdict;
  const now = context.clock.now();
  const authorizedUntil = now + disconnectAfter * 1_000;
  const reauthorizeAt = now + refreshAfter * 1_000;
  return {
    proved: true,
    grant: {
      principal: principalOf(principalId),
      records: [],
      policies: [],
      documents,
      values: { 'aws:userid': principalId, 'aws:username': principalId, ...originValues(claim) },
    },
    authorizedUntil,
    ...(reauthorizeAt < authorizedUntil ? { reauthorizeAt, request } : { reauthorizeAt: 0 }),
  };
}

export const principalOf = (principalId: string): string => `custom:${principalId}`;
