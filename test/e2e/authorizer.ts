/** An operator's authorizer that does what the password says, a JSON object. */
export interface Wish {
  /** When the client is turned away, ms since 1970. */
  readonly until?: number;
  readonly throw?: string;
  /** Takes longer than the broker waits. */
  readonly hang?: boolean;
  /** What else it answers. */
  readonly answer?: object;
  /** When the topic `secret` is forbidden, ms since 1970. */
  readonly secretUntil?: number;
}

interface Request {
  readonly token?: string;
  readonly protocolData: { readonly mqtt: { readonly password?: string } };
}

const statement = (effect: 'Allow' | 'Deny', resource: string) => ({
  Effect: effect,
  Action: 'iot:*',
  Resource: `arn:aws:iot:*:*:${resource}`,
});

export const handler = async ({ token, protocolData: { mqtt } }: Request): Promise<unknown> => {
  const wish = JSON.parse(token ?? Buffer.from(mqtt.password ?? '', 'base64').toString()) as Wish;
  if (wish.hang) await new Promise((resolve) => setTimeout(resolve, 6_000));
  if (wish.throw !== undefined) throw new Error(wish.throw);
  const { until = Number.POSITIVE_INFINITY, secretUntil = Number.POSITIVE_INFINITY } = wish;
  if (Date.now() >= until) return { isAuthenticated: false };
  return {
    isAuthenticated: true,
    principalId: 'pump7',
    policyDocuments: [
      {
        Version: '2012-10-17',
        Statement: [
          statement('Allow', `client/\${aws:username}-*`),
          statement('Allow', 'topic/*'),
          statement('Allow', `topicfilter/\${aws:username}/*`),
          ...(Date.now() < secretUntil ? [] : [statement('Deny', 'topic/pump7/secret')]),
        ],
      },
    ],
    ...wish.answer,
  };
};
