/** The command lines of `serverless-mqtt principals` and `policies`. */
import { readCommandLine as readPolicies } from '../../admin/policies-command-line.ts';
import { readCommandLine as readPrincipals } from '../../admin/principals-command-line.ts';

const words = (line: string): readonly string[] => line.split(' ').filter((word) => word !== '');
const principals = (line: string) => readPrincipals(words(line));
const policies = (line: string) => readPolicies(words(line));

const standard = { kind: 'stack', stackName: 'serverless-mqtt' };
const local = (port: number) => ({
  kind: 'endpoint',
  endpoint: `http://127.0.0.1:${port}`,
  tableName: 'identity',
  arnBase: 'arn:aws:iot:us-east-1:000000000000:',
});

describe('where the broker is', () => {
  test.each([
    ['', standard],
    ['--stack other', { kind: 'stack', stackName: 'other' }],
    ['--profile me --region eu-central-1', { ...standard, profile: 'me', region: 'eu-central-1' }],
    ['--table T.able-1_x', { kind: 'table', tableName: 'T.able-1_x' }],
    ['--table able --region x', { kind: 'table', tableName: 'able', region: 'x' }],
    ['--local', local(4800)],
    ['--local 5000', local(5000)],
    ['--local=5000', local(5000)],
    ['--json --local', local(4800)],
    ['--local --json', local(4800)],
    ['--local 5000 --json', local(5000)],
  ])('%j', (line, place) => {
    expect(principals(`list ${line}`)).toMatchObject({ place });
    expect(policies(`list ${line}`)).toMatchObject({ place });
  });

  test('a name behind --local is a name, and a number before it is one, too', () => {
    expect(principals('remove --local ann')).toMatchObject({ name: 'ann', place: local(4800) });
    expect(principals('remove 5000 --local')).toMatchObject({ name: '5000', place: local(4800) });
  });

  test.each([
    ['--local 0', '--local is "0"'],
    ['--local 65536', '--local is "65536"'],
    ['--local=x', '--local is "x"'],
    ['--local --stack s', '--local is the broker of this machine'],
    ['--local --region r', '--local is the broker of this machine'],
    ['--stack s --table t', '--stack finds the table'],
    ['--stack 1', '--stack is "1"'],
    ['--stack arn:x', '--stack is "arn:x"'],
    ['--table a', '--table is "a"'],
    ['--stak s', '--stak'],
    ['--stack', '--stack'],
  ])('%j makes no sense', (line, text) => {
    expect(() => principals(`list ${line}`)).toThrow(text);
  });
});

describe('principals', () => {
  test.each([
    ['add ann', { kind: 'add', name: 'ann', policies: [], attributes: {}, password: 'given' }],
    ['add ann --generate', { password: 'generated' }],
    ['add ann --no-password', { password: 'none' }],
    ['add ann --policy a --policy b --policy a', { policies: ['a', 'b'] }],
    ['add ann --attribute a=1 --attribute b=x=y', { attributes: { a: '1', b: 'x=y' } }],
    ['add --policy a -- -ann', { name: '-ann', policies: ['a'] }],
    ['add arn:aws:iam::123456789012:user/ann --no-password', { name: 'arn:aws:iam::123456789012:user/ann' }],
    ['passwd ann', { kind: 'passwd', name: 'ann', password: 'given' }],
    ['passwd ann --generate', { password: 'generated' }],
    ['passwd ann --no-password', { password: 'none' }],
    ['set ann a=1 b=', { kind: 'set', name: 'ann', attributes: { a: '1', b: '' } }],
    ['attach ann a b a', { kind: 'attach', name: 'ann', policies: ['a', 'b'] }],
    ['detach ann a', { kind: 'detach', name: 'ann', policies: ['a'] }],
    ['unlock ann', { kind: 'unlock', name: 'ann' }],
    ['remove ann', { kind: 'remove', name: 'ann' }],
    ['show ann', { kind: 'show', name: 'ann', json: false }],
    ['show ann --json', { json: true }],
    ['list', { kind: 'list', json: false }],
    ['list --json', { json: true }],
  ])('%s', (line, command) => {
    expect(principals(line)).toMatchObject({ ...command, place: standard });
  });

  test.each([
    ['', 'principals needs a command: add, passwd'],
    ['ad ann', 'there is no command "principals ad"'],
    ['--stack s list', 'there is no command "principals --stack"'],
    ['add', 'add needs a NAME'],
    ['add ann bob', 'add takes one NAME and nothing else'],
    ['add ann --policy a,b', 'the name of a policy is "a,b"'],
    ['add ann --attribute a', '--attribute must be KEY=VALUE'],
    ['add ann --attribute a=', '--attribute a has no value'],
    ['add ann --attribute a=1 --attribute A=2', 'the attribute A is there twice'],
    ['add ann --generate --no-password', 'exclude each other'],
    ['add arn:aws:iam::123456789012:user/ann', 'an ARN goes with --no-password'],
    ['passwd arn:aws:iam::123456789012:user/ann --generate', 'an ARN goes with --no-password'],
    ['add ann --json', '--json'],
    ['set ann', 'set needs a NAME and KEY=VALUE'],
    ['attach ann', 'attach needs a NAME and a POLICY'],
    ['detach', 'detach needs a NAME and a POLICY'],
    ['list ann', 'list takes no NAME'],
  ])('%j makes no sense', (line, text) => {
    expect(() => principals(line)).toThrow(text);
  });
});

describe('policies', () => {
  test.each([
    ['put pumps pumps.json', { kind: 'put', name: 'pumps', file: 'pumps.json' }],
    ['put pumps -', { file: '-' }],
    ['get pumps', { kind: 'get', name: 'pumps' }],
    ['list --json', { kind: 'list', json: true }],
    ['remove pumps', { kind: 'remove', name: 'pumps', force: false }],
    ['remove pumps --force', { force: true }],
  ])('%s', (line, command) => {
    expect(policies(line)).toMatchObject({ ...command, place: standard });
  });

  test.each([
    ['', 'policies needs a command: put'],
    ['puts', 'there is no command "policies puts"'],
    ['put pumps', 'put needs a NAME and a FILE'],
    ['put pumps a b', 'put needs a NAME and a FILE'],
    ['put a/b f', 'the name of a policy is "a/b"'],
    ['get', 'get needs a NAME'],
    ['remove a b', 'remove takes one NAME and nothing else'],
    ['get pumps --force', '--force'],
  ])('%j makes no sense', (line, text) => {
    expect(() => policies(line)).toThrow(text);
  });

  const publish = 'test --principal ann --client-id c --action iot:Publish --resource topic/a/b';
  const connect = 'test --principal ann --client-id c --action iot:Connect';

  test.each([
    [publish, { kind: 'test', of: { principal: 'ann' }, clientId: 'c', action: 'iot:Publish', resource: 'topic/a/b' }],
    [publish, { values: {}, persistent: false, mode: 'strict' }],
    [`${publish} --mode iam`, { mode: 'iam' }],
    [`${publish} --action IOT:publish`, { action: 'iot:Publish' }],
    [`${publish} --value a:B=1 --value A:b=2 --value c==`, { values: { 'a:b': ['1', '2'], c: '=' } }],
    ['test --file a --file - --client-id c --action iot:Receive --resource topic/a', { of: { files: ['a', '-'] } }],
    [
      'test --file a --client-id c --action iot:Subscribe --resource arn:aws:iot:r:123456789012:topicfilter/a/#',
      { resource: 'topicfilter/a/#', arnBase: 'arn:aws:iot:r:123456789012:' },
    ],
    [connect, { resource: 'client/c', persistent: false }],
    [`${connect} --resource client/c`, { resource: 'client/c' }],
    [`${connect} --resource arn:aws:iot:r:123456789012:client/c`, { arnBase: 'arn:aws:iot:r:123456789012:' }],
    [`${connect} --connect-attributes PersistentConnect`, { persistent: true }],
    [`${connect} --connect-attributes PersistentConnect,LastWill --will-topic w`, { persistent: true, willTopic: 'w' }],
    [`${connect} --will-topic w`, { persistent: false, willTopic: 'w' }],
  ])('%s', (line, command) => {
    expect(policies(line)).toMatchObject(command);
  });

  test.each([
    ['test', 'test needs --client-id'],
    ['test --client-id c --resource topic/a --action iot:Publish', 'either --principal NAME or --file FILE'],
    [`${publish} --file f`, 'either --principal NAME or --file FILE'],
    ['test --principal a --client-id c', '--action is missing: it must be one of iot:Connect, iot:Publish'],
    [`${publish} --action iot:Pub`, '--action is iot:Pub'],
    [
      'test --principal a --client-id c --action iot:Subscribe',
      'test needs --resource: for iot:Subscribe it is topicfilter/',
    ],
    ['test --principal a --client-id c --action iot:Subscribe --resource topic/a', 'it must be topicfilter/'],
    [`${publish} --resource topic/`, 'it must be topic/'],
    [`${publish} --resource arn:aws:sns:r:123456789012:topic/a`, 'it must be topic/'],
    [`${connect} --resource client/d`, 'it is client/c, and can be left out'],
    [`${publish} --value a`, '--value must be KEY=VALUE'],
    [`${publish} --will-topic w`, 'are for iot:Connect'],
    [`${publish} --connect-attributes LastWill`, 'are for iot:Connect'],
    [`${connect} --connect-attributes LastWill`, 'LastWill needs --will-topic'],
    [`${connect} --connect-attributes Persistent`, '--connect-attributes has Persistent'],
    [`${publish} --mode loose`, '--mode is loose'],
    [`${publish} more`, 'test takes no NAME'],
  ])('%j makes no sense', (line, text) => {
    expect(() => policies(line)).toThrow(text);
  });
});

test.each(['--help', '-h', 'list --help', 'add ann --policy p -h', 'nonsense --help'])('%s asks for help', (line) => {
  expect(principals(line)).toEqual({ kind: 'help' });
  expect(policies(line)).toEqual({ kind: 'help' });
});

test('--help behind -- is a name', () => {
  expect(principals('remove -- --help')).toMatchObject({ kind: 'remove', name: '--help' });
});
