/** Who is it, by authorizer. */
import { type Authentication, type Claim, noProof } from './authentication.ts';
import type { Context } from './context.ts';

export async function authenticateByAuthorizer(_context: Context, _claim: Claim): Promise<Authentication> {
  return noProof(5, 'not built yet');
}
