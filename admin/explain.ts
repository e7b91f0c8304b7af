/**
 * What went wrong on the way to the table, in words for whoever can mend it. Pure.
 *
 * Rules of this file: AWS's errors are told by their names; each sentence ends with what to do.
 */
import type { IdentityPlace } from '../src/aws/identity-place.ts';

const SIGN_IN = 'Sign in ("aws sso login" or "aws configure"), or name a profile with --profile.';
const LOCAL = 'For the broker of npm start there is --local.';
const ADMINISTRATORS = 'The policy in the output AdministratorsPolicyArn of the stack allows it.';

/** Undefined: a fault of ours. */
export const explain = (error: unknown, place: IdentityPlace): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  switch (name) {
    case 'IdentityPlaceError':
      return message;
    case 'CredentialsProviderError':
    case 'TokenProviderError':
      return `There are no AWS credentials${inProfile(place)}: ${sentence(message)} ${SIGN_IN} ${LOCAL}`;
    case 'ExpiredToken':
    case 'ExpiredTokenException':
    case 'InvalidClientTokenId':
    case 'InvalidSignatureException':
    case 'SignatureDoesNotMatch':
    case 'UnrecognizedClientException':
      return `AWS does not accept the credentials: ${sentence(message)} ${SIGN_IN}`;
    case 'AccessDenied':
    case 'AccessDeniedException':
      // The message names caller, action and resource.
      return `AWS refuses this: ${sentence(message)} ${ADMINISTRATORS}`;
    case 'ResourceNotFoundException':
      return `There is no ${inWords(place)}: name another with --stack or --table, and its Region with --region.`;
    case 'ValidationException':
      return `This is no identity table of this broker, the ${inWords(place)}: ${sentence(message)}`;
    case 'ProvisionedThroughputExceededException':
    case 'RequestLimitExceeded':
    case 'ThrottlingException':
      return `AWS is asked too much at once: ${sentence(message)} Try again.`;
  }
  if (message === 'Region is missing')
    return `There is no AWS Region: name it with --region, or in AWS_REGION. ${LOCAL}`;
  return explainNetwork(error, place);
};

const explainNetwork = (error: Error & { readonly code?: unknown }, place: IdentityPlace): string | undefined => {
  const codes: readonly unknown[] = [
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
  ];
  if (error.name !== 'TimeoutError' && !codes.includes(error.code)) return undefined;
  if (place.kind === 'endpoint') {
    return `No broker answers at ${place.endpoint}: start it with npm start, or say its port, --local PORT.`;
  }
  const reason = sentence(error.message || String(error.code));
  return `AWS cannot be reached: ${reason} Is there a network, and is the Region right (--region)?`;
};

const inProfile = (place: IdentityPlace): string =>
  place.kind === 'endpoint' || place.profile === undefined ? '' : ` in the profile ${place.profile}`;

const inWords = (place: IdentityPlace): string => {
  switch (place.kind) {
    case 'stack':
      return `identity table of the stack ${place.stackName}`;
    case 'table':
      return `table ${place.tableName}`;
    case 'endpoint':
      return `identity table at ${place.endpoint}`;
  }
};

const sentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
