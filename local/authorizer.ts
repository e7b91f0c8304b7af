/**
 * The operator's authorizer on the laptop: one more Lambda, beside those of the broker.
 *
 * Rules of this file: pure. The function is not of the stack, so it has the environment of whoever starts it, and not that of the
 * broker's Lambdas.
 */
import { functionArn } from './lambda/invoke-api.ts';

/** What it is called here. */
export const AUTHORIZER = 'authorizer';

type Settings = Readonly<Record<string, unknown>>;

/** The broker's settings as given, with those that the local stack has other defaults for. */
export const localSettings = (given: Settings, hasAuthorizer: boolean): Settings =>
  hasAuthorizer
    ? { authentication: 'custom', ...given, customAuthorizerArn: functionArn(AUTHORIZER) }
    : { authentication: 'none', ...given };

/** @param environment of the process that starts it */
export const authorizerEnvironment = (
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(environment).filter((entry): entry is [string, string] => entry[1] !== undefined));
