/**
 * Whether a client may connect as it asks to: who it is, and what its policies say of its client id, of a persistent session and of
 * a will.
 *
 * Rules of this file: nothing is kept of a client that is refused, and it is not told why.
 */
import type { Permit, Question } from '../policy/permit.ts';
import { type ClientId, type GrantId, NO_GRANT } from '../session/ids.ts';
import { authenticate } from './authenticate.ts';
import { type Claim, type NoProof, noProof } from './authentication.ts';
import { ANONYMOUS } from './authority.ts';
import type { Context } from './context.ts';
import type { Grant } from './ports.ts';

/** What a CONNECT asks for. */
export interface Wish {
  readonly persistent: boolean;
  readonly will: { readonly topic: string; readonly retain: boolean } | undefined;
}

/** Who has connected, and for how long. */
export interface Admission {
  readonly proved: true;
  readonly principal: string;
  readonly grant: GrantId;
  readonly authorizedUntil: number;
  readonly reauthorizeAt: number;
}

const anybody: Admission = {
  proved: true,
  principal: ANONYMOUS,
  grant: NO_GRANT,
  authorizedUntil: 0,
  reauthorizeAt: 0,
};

/** @throws when AWS, or the issuer of tokens, fails */
export async function authorizeConnect(context: Context, claim: Claim, wish: Wish): Promise<Admission | NoProof> {
  if (context.authority.isOpen) return anybody;
  const proof = await authenticate(context, claim);
  if (!proof.proved) return proof;
  const { grant, authorizedUntil, reauthorizeAt, request } = proof;
  const problem = await problemOf(context, grant, claim.clientId, wish);
  if (problem) return noProof(5, `${grant.principal}: ${problem}`);
  if (request !== undefined) await context.connections.keepRequest(claim.connectionId, request);
  return {
    proved: true,
    principal: grant.principal,
    grant: await keepGrant(context, grant),
    authorizedUntil,
    reauthorizeAt,
  };
}

/** The id it is kept under. */
export async function keepGrant(context: Context, grant: Grant): Promise<GrantId> {
  const values = Object.fromEntries(Object.entries(grant.values).sort(([a], [b]) => (a < b ? -1 : 1)));
  const kept = { ...grant, values };
  const id = context.secrets.hash(JSON.stringify(kept)) as GrantId;
  await context.identity.keepGrant(id, kept);
  return id;
}

/** Why a client with this grant may not connect so, for the log; undefined where it may. */
export async function problemOf(
  context: Context,
  grant: Grant,
  clientId: ClientId,
  wish: Wish,
): Promise<string | undefined> {
  const permit = await context.authority.permitFor(grant, clientId);
  return firstProblem(permit, questionsOfConnect(clientId, wish, context.authority.arnOf));
}

/** What has to be allowed to connect as this CONNECT asks to. */
export function questionsOfConnect(
  clientId: ClientId,
  { persistent, will }: Wish,
  arnOf: (resource: string) => string,
): readonly Question[] {
  const attributes = [...(persistent ? ['PersistentConnect'] : []), ...(will ? ['LastWill'] : [])];
  const values = new Map<string, string | readonly string[]>([['iot:connectattributes', attributes]]);
  if (will) values.set('iot:lastwilltopic', arnOf(`topic/${will.topic}`));
  return [{ action: 'iot:Connect', resource: `client/${clientId}`, values }, ...(will ? questionsOfPublish(will) : [])];
}

/** What has to be allowed to publish a message, or a will. */
export const questionsOfPublish = ({
  topic,
  retain,
}: {
  readonly topic: string;
  readonly retain: boolean;
}): readonly Question[] => [
  { action: 'iot:Publish', resource: `topic/${topic}` },
  ...(retain ? [{ action: 'iot:RetainPublish', resource: `topic/${topic}` } as const] : []),
];

/** What is not allowed first, and why, for the log. */
export const firstProblem = (permit: Permit, questions: readonly Question[]): string | undefined => {
  for (const question of questions) {
    const decision = permit.decide(question);
    if (decision.allowed) continue;
    const { policy, statement } =
      decision.because === 'denied' ? decision.by : { policy: undefined, statement: undefined };
    const place = policy === undefined ? '' : ` by statement ${statement} of ${policy}`;
    return `${question.action} on ${question.resource} is ${decision.because}${place}`;
  }
  return undefined;
};
