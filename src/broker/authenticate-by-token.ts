/** Who is it, by token. */
import { type Authentication, type Claim, noProof } from './authentication.ts';
import type { Context } from './context.ts';

export async function authenticateByToken(_context: Context, _claim: Claim): Promise<Authentication> {
  return noProof(5, 'not built yet');
}
