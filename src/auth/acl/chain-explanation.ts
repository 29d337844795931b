// What a chain of authorizers says to people about one of its members, which may not be able to explain itself, or fail: then
// its answer is all that there is to tell.

import { ReasonCode } from '../../protocol/reason-code.ts';
import { type Explanation, UNDECIDED } from '../auth.ts';
import { isPending } from '../waiting.ts';
import { undecided } from './answers.ts';

interface Named {
  readonly name: string;
}

/** The member's explanation, or what its plain answer comes to. Does not throw. */
export async function explainMember(
  { name }: Named,
  explain: () => Promise<unknown>,
  ask: () => Promise<unknown>,
): Promise<Explanation> {
  try {
    const explanation = await explain();
    if (isExplanation(explanation)) return { ...explanation, source: name };
    const answer = await ask();
    if (answer === UNDECIDED) return undecided(name, 'it has no opinion on it');
    const isAllowed =
      typeof answer === 'number' ? answer < ReasonCode.UnspecifiedError : isGrant(answer);
    const reason = `it ${isAllowed ? 'allows' : 'denies'} it and does not say why`;
    return { ...undecided(name, reason), outcome: isAllowed ? 'allow' : 'deny' };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { ...undecided(name, `it failed, which refuses: ${why}`), outcome: 'deny' };
  }
}

/** Of a delivery, which waits for nobody: throws where the answer is yet to come. */
export function answerNow(answer: unknown): unknown {
  if (!isPending(answer)) return answer;
  Promise.resolve(answer).catch(() => {}); // whatever it will say is too late
  throw new Error('authorizeReceive returned a promise: it must answer at once');
}

/** Nobody decided. */
export function explainNobody(members: readonly Named[]): Explanation {
  const names = members.map(({ name }) => name).join(', ');
  const reason = 'no authorizer has a rule for it, and what nobody allows is refused';
  return { ...undecided(names, reason), outcome: 'deny' };
}

function isExplanation(value: unknown): value is Explanation {
  if (typeof value !== 'object' || value === null) return false;
  const { outcome } = value as Partial<Explanation>;
  return outcome === 'allow' || outcome === 'deny' || outcome === 'undecided';
}

function isGrant(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'qosMax' in value;
}
