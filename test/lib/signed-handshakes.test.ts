/** Which handshakes API Gateway wants signed, as the template says. */
import { ofType, synthesised } from './synthesised.ts';

/** What the other methods ask for. */
const needed = {
  jwtIssuer: 'https://issuer.example',
  jwtAudience: 'devices',
  customAuthorizerArn: 'arn:aws:lambda:us-east-1:123456789012:function:authorizer',
};

const routes = (authentication: string): Record<string, string | undefined> =>
  Object.fromEntries(
    [...ofType(synthesised({ ...needed, authentication }).template, 'AWS::ApiGatewayV2::Route').values()].map(
      ({ Properties }) => [Properties.RouteKey, Properties.AuthorizationType],
    ),
  );

const open = { $connect: 'NONE', $default: 'NONE', $disconnect: 'NONE' };

test.each(['iam', 'password,iam', 'iam,jwt,custom'])(
  'authentication %s: $connect asks IAM, and no other route does',
  (authentication) => {
    expect(routes(authentication)).toEqual({ ...open, $connect: 'AWS_IAM' });
  },
);

test.each(['none', 'password', 'password,jwt,custom'])(
  'authentication %s: nothing is to be signed',
  (authentication) => {
    expect(routes(authentication)).toEqual(open);
  },
);
