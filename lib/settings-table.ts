/** The settings as Markdown tables of the README, a group each, out of the schema they are validated by. */
import * as v from 'valibot';
import { brokerSettings, deploymentSettings } from './settings.ts';

const settings = { ...brokerSettings, ...deploymentSettings };
type Setting = (typeof settings)[keyof typeof settings];

/** By the first setting of each, in the order of the schema. */
const groups: readonly (readonly [first: keyof typeof settings, title: string])[] = [
  ['sessionExpirySeconds', 'How it behaves'],
  ['authentication', 'Who may do what'],
  ['maxPayloadBytes', 'Limits'],
  ['stackName', 'The stack on AWS'],
];

const header = ['Setting', 'Default', 'Unit', 'Range', 'Meaning'];

export const settingsTable = (): string => {
  const all = Object.entries<Setting>(settings);
  const starts = groups.map(([first]) => all.findIndex(([name]) => name === first));
  return groups
    .map(([, title], index) => `**${title}**\n\n${tableOf(all.slice(starts[index], starts[index + 1]))}`)
    .join('\n\n');
};

const tableOf = (group: readonly [string, Setting][]): string => {
  const rows = group.map(cells);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  // Padded because biome, which also formats Markdown, wants it so.
  const line = (row: readonly string[], filler = ' ') =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0, filler)).join(' | ')} |`;
  return [line(header), line(Array(header.length).fill(''), '-'), ...rows.map((row) => line(row))].join('\n');
};

const cells = ([name, setting]: [string, Setting]): string[] => {
  const { unit, range } = v.getMetadata(setting.wrapped);
  const standard = v.getDefault(setting);
  const shown = name === 'authentication' ? 'to be said' : standard === '' ? 'empty' : `\`${standard}\``;
  return [`\`${name}\``, shown, unit, range, v.getDescription(setting.wrapped) ?? ''];
};
