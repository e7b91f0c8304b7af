/**
 * Reads a policy document: IAM's JSON for what is attached to an identity, with the actions and resources of AWS IoT Core.
 *
 * Rules of this file:
 * - What is not understood is refused, with its place: an element that is passed over may have been the one that denies.
 * - What could only be a mistake is refused too: an empty list, an action or a resource that does not exist.
 * - Nothing but `PolicyError` is thrown, whatever the text.
 */
import { parseArnPattern } from './arn.ts';
import { closestName } from './closest-name.ts';
import type { Condition, Qualifier } from './condition.ts';
import { type Json, type JsonObject, parseJson } from './json.ts';
import { type Family, operators } from './operators.ts';
import { matcherOf, partsOf } from './pattern.ts';
import { type Action, actions } from './permit.ts';
import { PolicyError, quoted } from './policy-error.ts';
import type { Statement } from './statement.ts';

/** Throws `PolicyError`. */
export function readDocument(text: string): readonly Statement[] {
  const document = parseJson(text);
  if (!isObject(document)) throw new PolicyError('document', `must be an object, and is ${kindOf(document)}`);
  checkNames(document, ['Version', 'Id', 'Statement'], 'document');
  readVersion(document.get('Version'));
  optionalText(document, 'Id', 'Id');
  const statements = listOf(document.get('Statement'));
  if (statements.length === 0) throw new PolicyError('Statement', 'there is none');
  return statements.map((statement, index) => readStatement(statement, index + 1));
}

function readVersion(version: Json | undefined): void {
  if (version === '2012-10-17') return;
  const reason = version === '2008-10-17' ? 'has no variables: they would be plain text' : 'is not known';
  const problem = version === undefined ? 'is missing' : `${shown(version)} ${reason}`;
  throw new PolicyError('Version', `${problem}; write "2012-10-17"`);
}

const elements = ['Sid', 'Effect', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'];

function readStatement(statement: Json, number: number): Statement {
  const place = `Statement ${number}`;
  if (!isObject(statement)) throw new PolicyError(place, `must be an object, and is ${kindOf(statement)}`);
  if (statement.has('Principal') || statement.has('NotPrincipal')) {
    throw new PolicyError(
      place,
      'Principal and NotPrincipal are for policies of resources: this one is attached to clients',
    );
  }
  checkNames(statement, elements, place);
  const sid = optionalText(statement, 'Sid', `${place}, Sid`);
  const effect = statement.get('Effect');
  if (effect !== 'Allow' && effect !== 'Deny') {
    throw new PolicyError(`${place}, Effect`, `must be "Allow" or "Deny", and is ${shown(effect)}`);
  }
  const resource = oneOf(statement, 'Resource', 'NotResource', place);
  return {
    number,
    ...(sid !== undefined && { sid }),
    effect,
    actions: readActions(oneOf(statement, 'Action', 'NotAction', place)),
    resources: resource.texts.map((text) => readResource(text, resource.place)),
    negated: resource.negated,
    conditions: readConditions(statement.get('Condition'), `${place}, Condition`),
  };
}

interface Texts {
  readonly place: string;
  readonly negated: boolean;
  readonly texts: readonly string[];
}

/** An element, or the one that says the opposite. */
function oneOf(statement: JsonObject, name: string, opposite: string, place: string): Texts {
  if (statement.has(name) === statement.has(opposite)) {
    throw new PolicyError(place, `must have ${name} or ${opposite}${statement.has(name) ? ', and has both' : ''}`);
  }
  const negated = statement.has(opposite);
  const element = negated ? opposite : name;
  const where = `${place}, ${element}`;
  const items = listOf(statement.get(element));
  if (items.length === 0) throw new PolicyError(where, 'is empty');
  return { place: where, negated, texts: items.map((item) => textOf(item, where)) };
}

function readActions({ place, negated, texts }: Texts): ReadonlySet<Action> {
  const named = new Set(texts.flatMap((text) => actionsOf(text, place)));
  return negated ? new Set(actions.filter((action) => !named.has(action))) : named;
}

function actionsOf(text: string, place: string): readonly Action[] {
  const lower = text.toLowerCase();
  const matches = matcherOf(partsOf(lower));
  const named =
    lower === '*' || lower.startsWith('iot:') ? actions.filter((action) => matches(action.toLowerCase())) : [];
  if (named.length === 0) throw new PolicyError(place, `${quoted(text)} is none of ${actions.join(', ')}`);
  return named;
}

function readResource(text: string, place: string): Statement['resources'][number] {
  if (text === '*') return '*';
  const pattern = parseArnPattern(text, place);
  const [, , service] = text.split(':');
  if (service !== 'iot') throw new PolicyError(place, `${quoted(text)} is no resource of iot`);
  const [first] = pattern.rest;
  const isAll = pattern.rest.length === 1 && typeof first === 'object' && 'wildcard' in first && first.wildcard === '*';
  if (!isAll && !(typeof first === 'string' && /^(client|topic|topicfilter)\//.test(first))) {
    throw new PolicyError(place, `${quoted(text)} is none of client/…, topic/…, topicfilter/… and *`);
  }
  return pattern;
}

function readConditions(condition: Json | undefined, place: string): readonly Condition[] {
  if (condition === undefined) return [];
  return membersOf(condition, place).flatMap(([name, keys]) => {
    const { operator, ...rest } = readOperator(name, `${place}.${clipped(name)}`);
    const seen = new Set<string>();
    return membersOf(keys, `${place}.${name}`).map(([written, values]) => {
      const where = `${place}.${name}.${clipped(written)}`;
      const key = written.toLowerCase();
      if (seen.has(key)) throw new PolicyError(where, 'is there twice: case makes no difference');
      seen.add(key);
      const wanted = listOf(values).map((value) => operator.read(writtenValue(value, operator.family, where), where));
      return { operator, ...rest, key, wanted };
    });
  });
}

const qualifiers: readonly Qualifier[] = ['ForAllValues', 'ForAnyValue'];

function readOperator(name: string, place: string): Pick<Condition, 'operator' | 'qualifier' | 'ifExists'> {
  const [, prefix, base = '', suffix] = /^(?:([^:]*):)?(.*?)(IfExists)?$/s.exec(name) ?? [];
  const qualifier = qualifiers.find((each) => each === prefix);
  const operator = operators.get(base);
  if (!operator || (prefix !== undefined && !qualifier)) {
    const meant = [
      prefix === undefined ? '' : closestName(prefix, qualifiers),
      closestName(base, [...operators.keys()]),
    ];
    const hint = meant.includes(undefined) ? '' : `; did you mean ${meant.filter(Boolean).join(':')}${suffix ?? ''}?`;
    throw new PolicyError(place, `there is no such operator${hint}`);
  }
  if (operator.family === 'Null' && (qualifier || suffix)) {
    throw new PolicyError(place, 'Null asks whether there are values: it has neither a qualifier nor IfExists');
  }
  return { operator, ...(qualifier && { qualifier }), ifExists: suffix !== undefined };
}

/** Families whose values may be written without quotation marks. */
const bare: Readonly<Partial<Record<Family, string>>> = {
  Numeric: 'number',
  Date: 'number',
  Bool: 'boolean',
  Null: 'boolean',
};

function writtenValue(value: Json, family: Family, place: string): string {
  return typeof value !== 'string' && typeof value === bare[family] ? String(value) : textOf(value, place);
}

// ── JSON that has to have a certain form ─────────────────────────────────────────────────────────────────────────────

const isObject = (value: Json | undefined): value is JsonObject => value instanceof Map;

/** A list, or the one item of it without its brackets. */
const listOf = (value: Json | undefined): readonly Json[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value as Json];

function textOf(value: Json, place: string): string {
  if (typeof value !== 'string') throw new PolicyError(place, `must be a text, and is ${kindOf(value)}`);
  return value;
}

function optionalText(object: JsonObject, name: string, place: string): string | undefined {
  const value = object.get(name);
  return value === undefined ? undefined : textOf(value, place);
}

function membersOf(value: Json, place: string): readonly (readonly [string, Json])[] {
  if (!isObject(value)) throw new PolicyError(place, `must be an object, and is ${kindOf(value)}`);
  if (value.size === 0) throw new PolicyError(place, 'is empty');
  return [...value];
}

function checkNames(object: JsonObject, known: readonly string[], place: string): void {
  const stranger = [...object.keys()].find((name) => !known.includes(name));
  if (stranger === undefined) return;
  const meant = closestName(stranger, known);
  throw new PolicyError(place, `there is no element ${quoted(stranger)}${meant ? `; did you mean ${meant}?` : ''}`);
}

function kindOf(value: Json | undefined): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (isObject(value)) return 'an object';
  return Array.isArray(value) ? 'a list' : `a ${typeof value === 'string' ? 'text' : typeof value}`;
}

/** A value in a message: itself where it is short, what it is otherwise. */
const shown = (value: Json | undefined): string => (typeof value === 'string' ? quoted(value) : kindOf(value));

/** A name as part of a place. */
const clipped = (name: string): string => (/^[\w:./[\]-]{1,80}$/.test(name) ? name : quoted(name));
