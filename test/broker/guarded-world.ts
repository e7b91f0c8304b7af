/**
 * A broker whose clients have to say who they are. Each client is a principal of its own name with a policy of its own name, and
 * the password that everybody has.
 */
import type { Settings } from '../../src/broker/context.ts';
import type { Ports } from '../../src/broker/ports.ts';
import { ARN_BASE, connectPacket, createWorld, type Packet, type Will } from './world.ts';

export const PASSWORD = 'the password of everybody';

/** `iot:Publish` and so on, with what stands behind the account in an ARN; a condition where there is one. */
export type Statement = readonly [action: string, resource: string, more?: object];

export const allow = (...statements: readonly Statement[]): string => document('Allow', statements);

export const document = (effect: 'Allow' | 'Deny', statements: readonly Statement[]): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: statements.map(([Action, resource, more]) => ({
      Effect: effect,
      Action,
      Resource: resource === '*' ? '*' : `${ARN_BASE}${resource}`,
      ...more,
    })),
  });

/** Everything but what connect attributes have to be granted for. */
export const everything = allow(['iot:*', '*']);

/** With persistent sessions and wills, too. */
export const anyConnect: Statement = [
  'iot:Connect',
  'client/*',
  { Condition: { 'ForAllValues:StringEquals': { 'iot:ConnectAttributes': ['PersistentConnect', 'LastWill'] } } },
];

/** `as`: the user name, if it is not the client id. `from`: the IP address. */
export interface ConnectOptions {
  readonly as?: string;
  readonly from?: string;
  readonly clean?: boolean;
  readonly will?: Will;
  readonly keepalive?: number;
}

export function createGuardedWorld(
  settings: Partial<Settings> = {},
  override: (ports: Ports) => Partial<Ports> = () => ({}),
) {
  const world = createWorld({ authentication: 'password', ...settings }, override);
  const { identity } = world.stores;
  const guarded = {
    ...world,
    /** Enters a principal with this policy, or gives it another one. */
    enter: async (name: string, policy: string, attributes: Readonly<Record<string, string>> = {}): Promise<void> => {
      const passwordHash = await world.context.passwords.hash(new TextEncoder().encode(PASSWORD));
      await identity.putPolicy(name, policy);
      await identity.putPrincipal(name, { passwordHash, policies: [name], attributes });
    },
    /** Sends a CONNECT and returns what came back. */
    tryConnect: async (clientId: string, { as = clientId, from, ...options }: ConnectOptions = {}) => {
      const socket = world.open(from);
      const packet = {
        ...connectPacket(clientId),
        username: as,
        password: Buffer.from(PASSWORD),
        ...options,
      } as Packet;
      const reply = await socket.send(packet);
      const connack = [...reply.packets, ...socket.pushes()].find(({ cmd }) => cmd === 'connack');
      return { socket, reply, returnCode: connack?.returnCode, sessionPresent: connack?.sessionPresent };
    },
    /** A client that has connected; fails where CONNACK does not say 0. */
    connectAs: async (clientId: string, options: ConnectOptions = {}) => {
      const { socket, reply, returnCode, sessionPresent } = await guarded.tryConnect(clientId, options);
      if (returnCode !== 0) throw new Error(`CONNACK ${returnCode}: ${JSON.stringify(world.lines.at(-1))}`);
      return { ...socket, sessionPresent, token: reply.token ?? '' };
    },
  };
  return guarded;
}

export type GuardedWorld = ReturnType<typeof createGuardedWorld>;
