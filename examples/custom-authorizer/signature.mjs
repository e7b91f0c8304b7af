/** What makes a password: a name and until when it is good, signed with a secret. */
import { createHmac } from 'node:crypto';

/** @param expires seconds since 1970 */
export const signatureOf = (secret, name, expires) =>
  createHmac('sha256', secret).update(`${name}.${expires}`).digest('base64url');
