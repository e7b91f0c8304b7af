/**
 * Texts of a policy with wildcards, variables and escapes: `topic/${iot:ClientId}/*`.
 *
 * Rules of this file:
 * - A value is put in place of its variable as it is: `*`, `?` and `${` in it mean nothing.
 * - A variable without a value, and one with several, leaves the whole text unbound. What comes of that is for the caller.
 * - A default is the policy's own text, and no value: what is demanded of values is not demanded of it.
 */
import { type Part, partsOf } from './pattern.ts';
import type { Values } from './permit.ts';
import { PolicyError, quoted } from './policy-error.ts';

export interface Variable {
  /** Lower case. */
  readonly variable: string;
  readonly fallback?: string;
}

export type Template = readonly (Part | Variable)[];

export type Lookup = (key: string) => ReturnType<Values['get']>;

/** Longer than anything that it could be compared with: no text of MQTT has more than 65,535 bytes. It bounds what values add. */
const MAX_BOUND_CHARACTERS = 70_000;

/** `${iot:ClientId}`, `${iot:ClientId, 'nobody'}`. */
const variableForm = /^([^\s,'{}*?$](?:[^,'{}*?$]*[^\s,'{}*?$])?)(?:\s*,\s*'([^'{}]*)')?$/;

const escapable = ['*', '?', '$'];

/** `wildcards`: whether `*` and `?` are such, or stand for themselves. */
export function parseTemplate(text: string, wildcards: boolean, place: string): Template {
  const tokens: (Part | Variable)[] = [];
  // A variable cannot hold a `}`, and a text that has no `${` is no variable.
  const [before = '', ...rest] = text.split('${');
  const plain = (each: string): readonly Part[] => (wildcards ? partsOf(each) : each === '' ? [] : [each]);
  tokens.push(...plain(before));
  for (const each of rest) {
    const end = each.indexOf('}');
    if (end < 0) throw new PolicyError(place, `${quoted(text)} has a \${ without its }`);
    const inside = each.slice(0, end);
    tokens.push(escapable.includes(inside) ? inside : readVariable(inside, place), ...plain(each.slice(end + 1)));
  }
  return joined(tokens);
}

function readVariable(inside: string, place: string): Variable {
  const [, key, fallback] = variableForm.exec(inside) ?? [];
  if (key === undefined) {
    throw new PolicyError(
      place,
      `${quoted(`\${${inside}}`)} is no variable: write \${key} or \${key, 'default'}, or \${*}, \${?} and \${$} for the characters`,
    );
  }
  return { variable: key.toLowerCase(), ...(fallback !== undefined && { fallback }) };
}

/** Literal texts that follow each other become one. */
function joined(tokens: Template): Template {
  const all: (Part | Variable)[] = [];
  for (const token of tokens) {
    const last = all.at(-1);
    if (typeof token === 'string' && typeof last === 'string') all[all.length - 1] = last + token;
    else all.push(token);
  }
  return all;
}

export const variablesOf = (template: Template): readonly string[] =>
  template.flatMap((token) => (typeof token === 'object' && 'variable' in token ? [token.variable] : []));

/** `isFit`: whether a value may stand behind these parts. `undefined`: the text is not bound. */
export function bindTemplate(
  template: Template,
  lookup: Lookup,
  isFit: (value: string, before: readonly Part[]) => boolean = () => true,
): readonly Part[] | undefined {
  const parts: Part[] = [];
  const resolved = ({ variable, fallback }: Variable): string | undefined => {
    const value = lookup(variable);
    if (value === undefined) return fallback;
    return typeof value === 'string' && isFit(value, parts) ? value : undefined;
  };
  let characters = 0;
  for (const token of template) {
    const part = typeof token === 'object' && 'variable' in token ? resolved(token) : token;
    if (part === undefined) return undefined;
    characters += typeof part === 'string' ? part.length : 0;
    if (characters > MAX_BOUND_CHARACTERS) return undefined;
    parts.push(part);
  }
  return parts;
}
