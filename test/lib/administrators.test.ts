/** What the policy for administrators allows, read back from the template and written out again. */
import { ofType, synthesised } from './synthesised.ts';

const { template } = synthesised({ authentication: 'none' });
const [[id, policy] = ['', undefined], ...others] = ofType(template, 'AWS::IAM::ManagedPolicy');

const table = { 'Fn::GetAtt': [expect.stringMatching(/^TablesIdentity[0-9A-F]{8}$/), 'Arn'] };
const stack = (name: string) => ({
  'Fn::Join': [
    '',
    [
      'arn:',
      { Ref: 'AWS::Partition' },
      ':cloudformation:',
      { Ref: 'AWS::Region' },
      ':',
      { Ref: 'AWS::AccountId' },
      `:stack/${name}/*`,
    ],
  ],
});

test('it allows exactly what the commands call', () => {
  expect(others).toEqual([]);
  expect(policy?.Properties.PolicyDocument.Statement).toEqual([
    {
      Sid: 'FindTable',
      Effect: 'Allow',
      Action: 'cloudformation:DescribeStacks',
      Resource: stack('serverless-mqtt'),
    },
    { Sid: 'Read', Effect: 'Allow', Action: ['dynamodb:GetItem', 'dynamodb:Scan'], Resource: table },
    {
      Sid: 'Write',
      Effect: 'Allow',
      Action: ['dynamodb:PutItem', 'dynamodb:UpdateItem', 'dynamodb:DeleteItem'],
      Resource: table,
      Condition: {
        'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': ['principal#*', 'policy#*', 'logins#*', 'version'] },
      },
    },
  ]);
});

test('nobody has it by the stack alone', () => {
  expect(Object.keys(policy?.Properties ?? {}).sort()).toEqual(['Description', 'Path', 'PolicyDocument']);
  expect(policy?.Properties.Path).toBe('/');
});

test('its ARN is an output, with the use of it', () => {
  expect(template.Outputs.AdministratorsPolicyArn).toEqual({
    Value: { Ref: id },
    Description: expect.stringContaining('docs/administration.md'),
  });
});

test('another stack is another stack', () => {
  const other = synthesised({ authentication: 'none', stackName: 'other' }).template;
  const [[, properties] = []] = ofType(other, 'AWS::IAM::ManagedPolicy');
  expect(properties?.Properties.PolicyDocument.Statement[0].Resource).toEqual(stack('other'));
});
