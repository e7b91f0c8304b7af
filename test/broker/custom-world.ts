/** A broker whose clients are who the operator's authorizer says. */
import type { Settings } from '../../src/broker/context.ts';
import type { Ports } from '../../src/broker/ports.ts';
import type { ClientId } from '../../src/session/ids.ts';
import { scriptedAuthorizer } from './credentials.ts';
import { allow, anyConnect } from './guarded-world.ts';
import { createWorld, type World } from './world.ts';

/** Everything there is. */
export const everything = allow(['iot:*', '*'], anyConnect);
/** All but publishing to `secret`, and hearing of it. */
export const allButSecret = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    ...JSON.parse(everything).Statement,
    { Effect: 'Deny', Action: ['iot:Publish', 'iot:Receive'], Resource: 'arn:aws:iot:*:*:topic/secret' },
  ],
});

/** What an authorizer answers that lets the client in; for a day, unless `changes` says otherwise. */
export const acceptance = (changes: object = {}, ...documents: readonly unknown[]): object => ({
  isAuthenticated: true,
  principalId: 'pump7',
  policyDocuments: documents.length > 0 ? documents : [everything],
  ...changes,
});

type Create<W> = (settings: Partial<Settings>, override: (ports: Ports) => Partial<Ports>) => W;

/** @param create the world it is in */
export function inCustomWorld<W extends World>(
  create: Create<W>,
  settings: Partial<Settings> = {},
  override: (ports: Ports) => Partial<Ports> = () => ({}),
) {
  const authorizer = scriptedAuthorizer(acceptance());
  const world = create({ authentication: 'custom', ...settings }, (ports) => ({ authorizer, ...override(ports) }));
  return {
    ...world,
    authorizer,
    /** What the session's client may do. */
    grantOf: async (clientId: string) => {
      const session = await world.stores.sessions.read(clientId as ClientId);
      return session && world.stores.identity.grant(session.grant);
    },
  };
}

export const createCustomWorld = (
  settings: Partial<Settings> = {},
  override: (ports: Ports) => Partial<Ports> = () => ({}),
) => inCustomWorld<World>(createWorld, settings, override);

export type CustomWorld = ReturnType<typeof createCustomWorld>;
