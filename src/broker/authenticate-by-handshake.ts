/**
 * Who is it, by the signature of its handshake: API Gateway has checked it, and `$connect` was told whose it is.
 *
 * Rules of this file:
 * - A principal outlives a login, for sessions belong to it. So the session name of an assumed role, which is new with every
 *   login, is no part of it (docs/decisions/0024).
 * - Identities of a Cognito identity pool all have one ARN, session name included. Their own id tells them apart.
 */
import type { ConnectionId } from '../session/ids.ts';
import { type Authentication, type Claim, namesIn, noProof, originValues } from './authentication.ts';
import type { Context } from './context.ts';
import type { Handshake } from './ports.ts';

/** @throws when AWS fails */
export async function authenticateByHandshake(context: Context, claim: Claim): Promise<Authentication> {
  const handshake = await context.connections.readHandshake(claim.connectionId);
  if (!handshake || handshake.callerArn === '') return noProof(5, 'nobody has signed the handshake');
  return {
    proved: true,
    grant: {
      principal: principalOf(handshake),
      records: recordsOf(handshake),
      policies: namesIn(context.settings.iamPolicies),
      documents: [],
      values: { ...originValues(claim), ...callerValues(handshake) },
    },
    // Nobody is told until when the caller's credentials are good. API Gateway asks for a signature at least every two hours.
    authorizedUntil: 0,
    reauthorizeAt: 0,
  };
}

/** Whether this socket's handshake is by whom a grant speaks of, where it speaks of one who signs. @throws when AWS fails */
export async function isSignedBy(context: Context, connectionId: ConnectionId, principal: string): Promise<boolean> {
  if (!principal.startsWith(PREFIX)) return true;
  const handshake = await context.connections.readHandshake(connectionId);
  return handshake !== undefined && principalOf(handshake) === principal;
}

const PREFIX = 'iam:';

const principalOf = ({ callerArn, cognitoIdentityId }: Handshake): string =>
  `${PREFIX}${cognitoIdentityId ?? callerOf(callerArn).arn}`;

interface Caller {
  /** Without the session name of an assumed role. */
  readonly arn: string;
  readonly sessionName?: string;
  readonly userName?: string;
}

/** `arn:aws:sts::123456789012:assumed-role/role/sessionName`, `arn:aws:iam::123456789012:user/path/userName`, or another. */
const callerOf = (arn: string): Caller => {
  const [, role, sessionName] = /^(arn:[^:]*:sts::\d*:assumed-role\/[^/]+)\/(.+)$/.exec(arn) ?? [];
  if (role !== undefined && sessionName !== undefined) return { arn: role, sessionName };
  const [, userName] = /^arn:[^:]*:iam::\d*:user\/(?:.*\/)?([^/]+)$/.exec(arn) ?? [];
  return userName === undefined ? { arn } : { arn, userName };
};

/** What policies may ask about a caller, by the names that IAM has for it. */
export const callerValues = ({
  callerArn,
  callerId,
  cognitoIdentityId,
}: Pick<Handshake, 'callerArn' | 'callerId' | 'cognitoIdentityId'>): Readonly<Record<string, string>> => {
  const { arn, sessionName, userName } = callerOf(callerArn);
  return {
    'aws:principalarn': arn,
    ...(userName !== undefined && { 'aws:username': userName }),
    ...(callerId !== undefined && { 'aws:userid': callerId }),
    ...(sessionName !== undefined && { 'sts:rolesessionname': sessionName }),
    ...(cognitoIdentityId !== undefined && { 'cognito-identity.amazonaws.com:sub': cognitoIdentityId }),
  };
};

/** The most exact one first. */
const recordsOf = ({ callerArn, cognitoIdentityId }: Handshake): readonly string[] => [
  ...new Set([...(cognitoIdentityId ? [cognitoIdentityId] : []), callerArn, callerOf(callerArn).arn]),
];
