/** What may be entered by which name. */
import { attributesOf, readAttribute, readPolicyName, readPrincipalName, roleOfSession } from '../../admin/names.ts';

test.each([
  'pump-7',
  'a',
  'x'.repeat(128),
  'two words',
  'ann@example.com',
  'ümlaut 名 🙂',
  '#',
  'eu-central-1:11111111-2222-3333-4444-555555555555',
  'arn:aws:iam::123456789012:user/ann',
  'arn:aws:iam::123456789012:root',
  'arn:aws-us-gov:sts::123456789012:assumed-role/pumps',
  'arn:aws:sts::123456789012:assumed-role/pumps/i-0123',
  `arn:aws:iam::123456789012:user/${'path/'.repeat(50)}ann`,
])('%j may be the name of a principal', (name) => {
  expect(readPrincipalName(name)).toBe(name);
});

test.each([
  ['', 'NAME is ""'],
  [' a', 'no space at either end'],
  ['a ', 'no space at either end'],
  ['x'.repeat(129), '1 to 128'],
  // Two of what the broker counts each.
  ['🙂'.repeat(65), '1 to 128'],
  ['a\tb', String.raw`NAME is "a\tb"`],
  ['a\u0000b', '1 to 128'],
  ['a\u200bb', '1 to 128'],
  ['a\u202eb', '1 to 128'],
  ['a\u00a0b', '1 to 128'],
  ['arn:aws:s3:::bucket', 'one of IAM or STS'],
  ['arn:aws:iam::12:user/ann', 'one of IAM or STS'],
  ['arn:aws:iam::123456789012:user/a b', 'one of IAM or STS'],
  ['arn:aws:iam::123456789012:role/path/pumps', 'arn:aws:sts::123456789012:assumed-role/pumps'],
])('%j may not', (name, text) => {
  expect(() => readPrincipalName(name)).toThrow(text);
});

test('a session of a role is told from the role', () => {
  expect(roleOfSession('arn:aws:sts::123456789012:assumed-role/pumps/i-0123')).toBe(
    'arn:aws:sts::123456789012:assumed-role/pumps',
  );
  expect(roleOfSession('arn:aws:sts::123456789012:assumed-role/pumps')).toBeUndefined();
  expect(roleOfSession('pump-7')).toBeUndefined();
});

test.each(['a', 'Pumps_2.0@site-1', 'x'.repeat(128)])('%j may be the name of a policy', (name) => {
  expect(readPolicyName(name)).toBe(name);
});

test.each(['', 'a b', 'a,b', 'ü', 'a/b', 'x'.repeat(129), 'a\n'])('%j may not', (name) => {
  expect(() => readPolicyName(name)).toThrow('the name of a policy is');
});

test.each([
  ['site=berlin', ['site', 'berlin']],
  ['a.b/c:d@e_f-g=x=y', ['a.b/c:d@e_f-g', 'x=y']],
  ['motto=häppy dayß 🙂', ['motto', 'häppy dayß 🙂']],
  ['none=', ['none', '']],
  [`long=${'x'.repeat(1_024)}`, ['long', 'x'.repeat(1_024)]],
])('%j is an attribute', (text, attribute) => {
  expect(readAttribute('--attribute', text)).toEqual(attribute);
});

test.each([
  ['site', '--attribute must be KEY=VALUE'],
  ['=x', '--attribute must be KEY=VALUE'],
  ['a b=x', 'has the key "a b"'],
  ['{x}=x', 'has the key'],
  ['a=line\nline', '--attribute a: the value'],
  [`a=${'x'.repeat(1_025)}`, '--attribute a: the value'],
])('%j is none', (text, problem) => {
  expect(() => readAttribute('--attribute', text)).toThrow(problem);
});

test('attributes are told apart as policies tell them, without case', () => {
  expect(
    attributesOf([
      ['a', '1'],
      ['b', '2'],
    ]),
  ).toEqual({ a: '1', b: '2' });
  expect(() =>
    attributesOf([
      ['Site', '1'],
      ['site', '2'],
    ]),
  ).toThrow('the attribute site is there twice');
});
