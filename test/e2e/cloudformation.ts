/** CloudFormation as far as the operator's commands ask it: one stack, and the errors that they have to understand. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeStack {
  readonly name: string;
  readonly id: string;
  readonly outputs: Readonly<Record<string, string>>;
}

export interface CloudFormation {
  readonly endpoint: string;
  close(): void;
}

export const startCloudFormation = async (stacks: readonly FakeStack[]): Promise<CloudFormation> => {
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const asked = new URLSearchParams(body);
    const name = asked.get('StackName') ?? '';
    const stack = stacks.find((each) => each.name === name);
    const [status, xml] =
      asked.get('Action') === 'DescribeStacks' && stack
        ? [200, described(stack)]
        : [400, refused('ValidationError', `Stack with id ${name} does not exist`)];
    response.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
};

const described = ({ name, id, outputs }: FakeStack): string => {
  const members = Object.entries(outputs).map(
    ([key, value]) => `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  );
  return `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks>
    <member>
      <StackId>${id}</StackId><StackName>${name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
      <CreationTime>2026-01-01T00:00:00Z</CreationTime><Outputs>${members.join('')}</Outputs>
    </member>
  </Stacks></DescribeStacksResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></DescribeStacksResponse>`;
};

const refused = (code: string, message: string): string =>
  `<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
    <Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error><RequestId>1</RequestId>
  </ErrorResponse>`;
