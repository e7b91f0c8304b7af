/**
 * The settings out of the CDK context: `-c name=value` on the command line, or `context` in cdk.json.
 *
 * The context also holds keys of CDK itself and of whatever else the user keeps there, so a key that is no setting is no
 * fault. One that nearly is a setting gets a warning, since a misspelt setting would silently keep its default.
 */
import { brokerSettings, type DeploymentSettings, deploymentSettings, readDeploymentSettings } from './settings.ts';

type Context = Readonly<Record<string, unknown>>;

const names = [...Object.keys(brokerSettings), ...Object.keys(deploymentSettings)];

/** @throws SettingsError */
export const settingsFromContext = (context: Context): DeploymentSettings =>
  readDeploymentSettings(Object.fromEntries(Object.entries(context).filter(([key]) => names.includes(key))));

/** One line for each key that is no setting but within two edits of one, whatever its case. */
export const misspeltSettings = (context: Context): string[] =>
  Object.keys(context).flatMap((key) => {
    if (names.includes(key)) return [];
    const meant = names.find((name) => editDistance(key.toLowerCase(), name.toLowerCase()) <= 2);
    return meant === undefined ? [] : [`there is no setting named ${key}, it is ignored: did you mean ${meant}?`];
  });

/** Levenshtein's: how many characters to insert, delete or replace. */
const editDistance = (from: string, to: string): number => {
  let previous = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, char] of [...from].entries()) {
    const row = [i + 1];
    for (let j = 1; j <= to.length; j++) {
      const replaced = (previous[j - 1] ?? 0) + (char === to[j - 1] ? 0 : 1);
      row.push(Math.min(replaced, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    previous = row;
  }
  return previous[to.length] ?? 0;
};
