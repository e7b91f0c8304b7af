/** The settings as the Markdown table of the README, out of the schema they are validated by. */
import * as v from 'valibot';
import { brokerSettings, deploymentSettings } from './settings.ts';

const settings = { ...brokerSettings, ...deploymentSettings };
type Setting = (typeof settings)[keyof typeof settings];

const header = ['Setting', 'Default', 'Unit', 'Range', 'Meaning'];

export const settingsTable = (): string => {
  const rows = Object.entries<Setting>(settings).map(cells);
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  // Padded because biome, which also formats Markdown, wants it so.
  const line = (row: readonly string[], filler = ' ') =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0, filler)).join(' | ')} |`;
  return [line(header), line(Array(header.length).fill(''), '-'), ...rows.map((row) => line(row))].join('\n');
};

const cells = ([name, setting]: [string, Setting]): string[] => {
  const { unit, range } = v.getMetadata(setting.wrapped);
  const standard = v.getDefault(setting);
  const shown = name === 'authentication' ? 'none: say it' : standard === '' ? 'empty' : `\`${standard}\``;
  return [`\`${name}\``, shown, unit, range, v.getDescription(setting.wrapped) ?? ''];
};
