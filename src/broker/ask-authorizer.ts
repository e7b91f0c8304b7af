/** The operator's authorizer is asked, at CONNECT and again, and its answer read. */
import { readAnswer, type Verdict } from './authorizer-answer.ts';
import type { Context } from './context.ts';

/** @param request `requestOf` */
export async function askAuthorizer({ authorizer }: Context, request: string): Promise<Verdict> {
  const asked = await authorizer.ask(request);
  return asked.answered ? readAnswer(asked.answer) : { accepted: false, problem: `the authorizer: ${asked.problem}` };
}
