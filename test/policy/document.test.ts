/** What a policy document may look like, and what is said about one that does not. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the variables of policies
import { readDocument } from '../../src/policy/document.ts';
import { PolicyError } from '../../src/policy/policy-error.ts';
import { allow, arnBase, documentOf, may } from './policies.ts';

const problemOf = (document: string): string => {
  try {
    readDocument(document);
  } catch (error) {
    if (error instanceof PolicyError) return error.message;
    throw error;
  }
  return 'none';
};

const withCondition = (condition: unknown): string => documentOf(allow('iot:Connect', '*', { Condition: condition }));
const withStatement = (more: object): string => documentOf(allow('iot:Connect', '*'), allow('iot:Connect', '*', more));
const five = 'iot:Connect, iot:Publish, iot:RetainPublish, iot:Subscribe, iot:Receive';

describe('a document is refused, and says where and why', () => {
  it.each<readonly [string, string]>([
    ['{"Version": "2012-10-17",\n "Statement": [}', 'line 2, column 16: there is "}" where a value should be'],
    ['[]', 'document: must be an object, and is a list'],
    ['"x"', 'document: must be an object, and is a text'],
    ['null', 'document: must be an object, and is null'],
    ['{}', 'Version: is missing; write "2012-10-17"'],
    ['{"Version": 2012}', 'Version: a number is not known; write "2012-10-17"'],
    ['{"Version": "2013-10-17"}', 'Version: "2013-10-17" is not known; write "2012-10-17"'],
    [
      '{"Version": "2008-10-17", "Statement": []}',
      'Version: "2008-10-17" has no variables: they would be plain text; write "2012-10-17"',
    ],
    ['{"Version": "2012-10-17"}', 'Statement: there is none'],
    ['{"Version": "2012-10-17", "Statement": []}', 'Statement: there is none'],
    ['{"Version": "2012-10-17", "Statement": "x"}', 'Statement 1: must be an object, and is a text'],
    ['{"Version": "2012-10-17", "Id": 1, "Statement": []}', 'Id: must be a text, and is a number'],
    [
      '{"Version": "2012-10-17", "Statements": []}',
      'document: there is no element "Statements"; did you mean Statement?',
    ],
    ['{"Version": "2012-10-17", "Comment": ""}', 'document: there is no element "Comment"'],
    [withStatement({ effect: 'Deny' }), 'Statement 2: there is no element "effect"; did you mean Effect?'],
    [withStatement({ Conditions: {} }), 'Statement 2: there is no element "Conditions"; did you mean Condition?'],
    [
      withStatement({ Principal: '*' }),
      'Statement 2: Principal and NotPrincipal are for policies of resources: this one is attached to clients',
    ],
    [
      withStatement({ NotPrincipal: {} }),
      'Statement 2: Principal and NotPrincipal are for policies of resources: this one is attached to clients',
    ],
    [withStatement({ Sid: 1 }), 'Statement 2, Sid: must be a text, and is a number'],
    [withStatement({ Effect: 'allow' }), 'Statement 2, Effect: must be "Allow" or "Deny", and is "allow"'],
    [withStatement({ Effect: ['Deny'] }), 'Statement 2, Effect: must be "Allow" or "Deny", and is a list'],
    [documentOf({}), 'Statement 1, Effect: must be "Allow" or "Deny", and is missing'],
    [documentOf({ Effect: 'Deny', Action: '*' }), 'Statement 1: must have Resource or NotResource'],
    [documentOf({ Effect: 'Deny', Resource: '*' }), 'Statement 1: must have Action or NotAction'],
    [withStatement({ NotAction: '*' }), 'Statement 2: must have Action or NotAction, and has both'],
    [withStatement({ NotResource: '*' }), 'Statement 2: must have Resource or NotResource, and has both'],
    [withStatement({ Action: [] }), 'Statement 2, Action: is empty'],
    [withStatement({ Resource: [] }), 'Statement 2, Resource: is empty'],
    [withStatement({ Action: { a: 1 } }), 'Statement 2, Action: must be a text, and is an object'],
    [withStatement({ Resource: ['*', null] }), 'Statement 2, Resource: must be a text, and is null'],
  ])('%s', (document, problem) => {
    expect(problemOf(document)).toBe(problem);
  });

  it.each([
    'iot:GetThingShadow',
    'iot:connects',
    'iot:G*',
    'iot:',
    'iot',
    'i*:Connect',
    '*:*',
    's3:*',
    'Connect',
    '',
    'iot:${iot:ClientId}',
  ])('Action %s', (action) => {
    const problem = `${JSON.stringify(action)} is none of ${five}`;
    expect(problemOf(documentOf(allow(action, '*')))).toBe(`Statement 1, Action: ${problem}`);
    expect(problemOf(documentOf({ Effect: 'Deny', NotAction: ['iot:*', action], Resource: '*' }))).toBe(
      `Statement 1, NotAction: ${problem}`,
    );
  });

  it.each<readonly [string, string]>([
    ['', '"" is no ARN, which has six parts: arn:aws:iot:REGION:ACCOUNT:…'],
    ['topic/a', '"topic/a" is no ARN, which has six parts: arn:aws:iot:REGION:ACCOUNT:…'],
    ['arn:aws:iot:*', '"arn:aws:iot:*" is no ARN, which has six parts: arn:aws:iot:REGION:ACCOUNT:…'],
    ['urn:aws:iot:::topic/a', '"urn:aws:iot:::topic/a" is no ARN, which has six parts: arn:aws:iot:REGION:ACCOUNT:…'],
    ['arn:aws:s3:::topic/a', '"arn:aws:s3:::topic/a" is no resource of iot'],
    ['arn:aws:*:::topic/a', '"arn:aws:*:::topic/a" is no resource of iot'],
    ['arn:aws:iot:::thing/a', '"arn:aws:iot:::thing/a" is none of client/…, topic/…, topicfilter/… and *'],
    ['arn:aws:iot:::topic*', '"arn:aws:iot:::topic*" is none of client/…, topic/…, topicfilter/… and *'],
    ['arn:aws:iot:::topic', '"arn:aws:iot:::topic" is none of client/…, topic/…, topicfilter/… and *'],
    ['arn:aws:iot:::*/a', '"arn:aws:iot:::*/a" is none of client/…, topic/…, topicfilter/… and *'],
    ['arn:aws:iot:::?', '"arn:aws:iot:::?" is none of client/…, topic/…, topicfilter/… and *'],
    ['arn:aws:iot:::', '"arn:aws:iot:::" is none of client/…, topic/…, topicfilter/… and *'],
    ['arn:aws:iot:::${a}/b', '"arn:aws:iot:::${a}/b" is none of client/…, topic/…, topicfilter/… and *'],
    ['arn:aws:iot:${aws:Region}::topic/a', '"arn:aws:iot:${aws:Region}::topic/a" has a variable before its last part'],
    ['arn:aws:iot:::topic/${a', '"topic/${a" has a ${ without its }'],
  ])('Resource %s', (resource, problem) => {
    expect(problemOf(documentOf(allow('*', resource)))).toBe(`Statement 1, Resource: ${problem}`);
  });

  const forms = "write ${key} or ${key, 'default'}, or ${*}, ${?} and ${$} for the characters";
  it.each<readonly [string, string?]>([
    ['${}'],
    ['${ }'],
    ['${a, b}'],
    ["${a, 'b}"],
    ["${a, 'b'c'}"],
    ["${, 'b'}"],
    ['${a,}'],
    ['${a*}'],
    ['${**}'],
    ['${{a}'],
    ['x${a b }', '${a b }'],
  ])('variable %s', (text, variable = text) => {
    const problem = `${JSON.stringify(variable)} is no variable: ${forms}`;
    expect(problemOf(documentOf(allow('*', `${arnBase}topic/${text}`)))).toBe(`Statement 1, Resource: ${problem}`);
    for (const operator of ['StringEquals', 'StringNotLike', 'Bool']) {
      expect(problemOf(withCondition({ [operator]: { k: text } }))).toBe(
        `Statement 1, Condition.${operator}.k: ${problem}`,
      );
    }
  });

  it.each<readonly [unknown, string]>([
    [[], ': must be an object, and is a list'],
    [{}, ': is empty'],
    [{ StringLike: {} }, '.StringLike: is empty'],
    [{ StringLike: ['a'] }, '.StringLike: must be an object, and is a list'],
    [{ StringEqualz: { k: 'v' } }, '.StringEqualz: there is no such operator; did you mean StringEquals?'],
    [{ stringlike: { k: 'v' } }, '.stringlike: there is no such operator; did you mean StringLike?'],
    [{ IpAdress: { k: 'v' } }, '.IpAdress: there is no such operator; did you mean IpAddress?'],
    [{ StringLikeIfExist: { k: 'v' } }, '.StringLikeIfExist: there is no such operator'],
    [
      { StringLikIfExists: { k: 'v' } },
      '.StringLikIfExists: there is no such operator; did you mean StringLikeIfExists?',
    ],
    [
      { 'ForAllValue:StringLike': { k: 'v' } },
      '.ForAllValue:StringLike: there is no such operator; did you mean ForAllValues:StringLike?',
    ],
    [
      { 'ForAnyValue:StringEqualsX': { k: 'v' } },
      '.ForAnyValue:StringEqualsX: there is no such operator; did you mean ForAnyValue:StringEquals?',
    ],
    [{ 'Any:StringEquals': { k: 'v' } }, '.Any:StringEquals: there is no such operator'],
    [{ BinaryEquals: { k: 'v' } }, '.BinaryEquals: there is no such operator'],
    [{ '': { k: 'v' } }, '."": there is no such operator'],
    [{ 'a\nb': { k: 'v' } }, '."a\\nb": there is no such operator'],
    [{ constructor: { k: 'v' } }, '.constructor: there is no such operator'],
    [
      { NullIfExists: { k: 'true' } },
      '.NullIfExists: Null asks whether there are values: it has neither a qualifier nor IfExists',
    ],
    [
      { 'ForAnyValue:Null': { k: 'true' } },
      '.ForAnyValue:Null: Null asks whether there are values: it has neither a qualifier nor IfExists',
    ],
    [{ StringEquals: { Key: 'a', key: 'b' } }, '.StringEquals.key: is there twice: case makes no difference'],
    [{ StringEquals: { k: 1 } }, '.StringEquals.k: must be a text, and is a number'],
    [{ StringEquals: { k: ['a', null] } }, '.StringEquals.k: must be a text, and is null'],
    [{ StringEquals: { k: [['a']] } }, '.StringEquals.k: must be a text, and is a list'],
    [{ ArnLike: { k: '*' } }, '.ArnLike.k: "*" is no ARN, which has six parts: arn:aws:iot:REGION:ACCOUNT:…'],
    [
      { ArnLike: { k: 'arn:aws:iot:${r}:1:a' } },
      '.ArnLike.k: "arn:aws:iot:${r}:1:a" has a variable before its last part',
    ],
    [{ NumericEquals: { k: 'ten' } }, '.NumericEquals.k: "ten" is no number'],
    [{ NumericEquals: { k: '1e3' } }, '.NumericEquals.k: "1e3" is no number'],
    [{ NumericEquals: { k: '${a}' } }, '.NumericEquals.k: "${a}" is no number'],
    [{ NumericEquals: { k: true } }, '.NumericEquals.k: must be a text, and is a boolean'],
    [
      { DateLessThan: { k: 'tomorrow' } },
      '.DateLessThan.k: "tomorrow" is no date, such as 2030-01-31T12:00:00Z, or seconds since 1970',
    ],
    [
      { DateLessThan: { k: '2030-01-31T12:00' } },
      '.DateLessThan.k: "2030-01-31T12:00" is no date, such as 2030-01-31T12:00:00Z, or seconds since 1970',
    ],
    [{ Bool: { k: 'yes' } }, '.Bool.k: "yes" is neither true nor false'],
    [{ Bool: { k: 1 } }, '.Bool.k: must be a text, and is a number'],
    [{ Null: { k: '' } }, '.Null.k: "" is neither true (there is no such key) nor false'],
    [{ Null: { k: '${a}' } }, '.Null.k: "${a}" is neither true (there is no such key) nor false'],
    [
      { IpAddress: { k: '10.0.0.0/33' } },
      '.IpAddress.k: "10.0.0.0/33" is neither an IP address nor a block such as 192.0.2.0/24',
    ],
    [{ IpAddress: { k: '10.*' } }, '.IpAddress.k: "10.*" is neither an IP address nor a block such as 192.0.2.0/24'],
  ])('Condition %j', (condition, problem) => {
    expect(problemOf(withCondition(condition))).toBe(`Statement 1, Condition${problem}`);
  });

  it('quotes no more of a long text than helps', () => {
    const long = 'x'.repeat(10_000);
    for (const document of [
      documentOf(allow(long, '*')),
      documentOf(allow('*', long)),
      documentOf(allow('*', '*', { [long]: 1 })),
      withCondition({ [long]: { k: 'v' } }),
      withCondition({ Bool: { [long]: long } }),
    ]) {
      expect(problemOf(document).length).toBeLessThan(300);
    }
  });
});

describe('a document is taken', () => {
  it.each<readonly [string, string]>([
    [
      'with one statement without brackets',
      '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
    ],
    [
      'with Id and Sid',
      '{"Version":"2012-10-17","Id":"i","Statement":[{"Sid":"s","Effect":"Allow","Action":"*","Resource":"*"}]}',
    ],
    ['with wildcards in its ARN', documentOf(allow('iot:*', 'arn:*:iot:us-*:*:topic/*'))],
    ['with a resource that is all of its kind', documentOf(allow('iot:*', `${arnBase}*`))],
    [
      'with numbers and booleans as they are',
      withCondition({ NumericLessThan: { k: 5 }, Bool: { k: true }, Null: { k: [false] } }),
    ],
    [
      'with dates',
      withCondition({ DateLessThan: { k: ['2030-01', '2030-01-31', '2030-01-31T00:00+01:00', '1900000000'] } }),
    ],
    ['with an empty list of values', withCondition({ 'ForAllValues:StringEquals': { k: [] } })],
    [
      'with a key that has a name of its own',
      withCondition({ StringLike: { __proto__: null, 'iot:Connection.Thing.Attributes[a b]': 'v' } }),
    ],
  ])('%s', (_, document) => {
    expect(problemOf(document)).toBe('none');
  });

  it.each<readonly [string, readonly string[], readonly string[]]>([
    // pattern | what it is | what it is not
    ['*', ['Connect', 'Publish', 'RetainPublish', 'Subscribe', 'Receive'], []],
    ['iot:*', ['Connect', 'Publish', 'RetainPublish', 'Subscribe', 'Receive'], []],
    ['iot:Connect', ['Connect'], ['Publish', 'RetainPublish', 'Subscribe', 'Receive']],
    ['IOT:connect', ['Connect'], ['Publish']],
    ['iot:*Publish', ['Publish', 'RetainPublish'], ['Connect', 'Subscribe', 'Receive']],
    ['iot:R*', ['RetainPublish', 'Receive'], ['Publish']],
    ['iot:Re?eive', ['Receive'], ['RetainPublish']],
  ])('Action %s is %j, and not %j', (pattern, those, others) => {
    const isAllowed = (element: string) => (action: string) =>
      may([{ Effect: 'Allow', [element]: pattern, Resource: '*' }], `iot:${action} x`);
    expect(those.map(isAllowed('Action'))).toEqual(those.map(() => true));
    expect(others.map(isAllowed('Action'))).toEqual(others.map(() => false));
    expect(those.map(isAllowed('NotAction'))).toEqual(those.map(() => false));
    expect(others.map(isAllowed('NotAction'))).toEqual(others.map(() => true));
  });
});
