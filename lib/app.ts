/**
 * The CDK app, as a function: context in, cloud assembly out. `bin/app.ts` runs it for the `cdk` command, the tests run
 * it in process.
 */
import { App } from 'aws-cdk-lib';
import { BrokerStack } from './broker-stack.ts';
import { misspeltSettings, settingsFromContext } from './context.ts';
import { SettingsError } from './settings.ts';

export interface AppOptions {
  /** Folder of the repository. */
  readonly root: string;
  /** Added to the context that the `cdk` command passes by environment. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** Where to write the assembly. Default: where the `cdk` command says. */
  readonly outdir?: string;
  /** Takes a line for the user. */
  readonly say: (line: string) => void;
}

/** Writes the assembly. @returns the exit code: 1 when a setting has a wrong value, which it has then said. */
export const runApp = ({ root, context, outdir, say }: AppOptions): 0 | 1 => {
  // CDK's own autoSynth would write an empty assembly when a setting is wrong.
  const app = new App({ autoSynth: false, ...(context && { context }), ...(outdir && { outdir }) });
  const given: Readonly<Record<string, unknown>> = app.node.getAllContext();
  for (const warning of misspeltSettings(given)) say(`Warning: ${warning}`);
  try {
    new BrokerStack(app, { settings: settingsFromContext(given), root });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    say(`${error.message}\nSettings are given with -c name=value, or in cdk.json under "context".`);
    return 1;
  }
  app.synth();
  return 0;
};
