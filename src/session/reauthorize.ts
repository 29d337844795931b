// Asks again for what a session has already, since rules, groups or claims are others now: subscriptions that are not allowed
// any more are muted, not removed, so that they work again when rules allow them again; their client cannot be told.

import type { Client } from '../auth/auth.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { askAgain, judged } from './admission.ts';
import type { Context } from './context.ts';
import { tellFault } from './faults.ts';
import { inTime, isDoubt, isPending } from './parking.ts';
import type { Session } from './session.ts';

/** The same user with other groups, claims or permissions, perhaps. */
export function identify(context: Context, session: Session, client: Client): void {
  session.client = client;
  session.applyRules();
  session.record.update();
  session.permissionsChanged();
  void reauthorize(context, session); // never rejects
}

/**
 * Takes effect at once where answers are there at once; a promise where one is still to come, which never rejects. Where
 * somebody cannot say, what is delivered stops for now; whoever is away keeps what it had, since all that waits for it is
 * looked at when it comes back.
 */
export function reauthorize(context: Context, session: Session): Promise<void> | undefined {
  const { access } = context;
  const { generation } = access;
  const { client } = session;
  if (session.isUnknown) return undefined;
  const subscriptions = [...session.subscriptions];
  const apply = (answers: readonly unknown[]): void => {
    if (session.hasEnded || session.client !== client || generation !== access.generation) return;
    const isAway = session.connection === null;
    const judgements = subscriptions
      .map((one, i) => judged(one, answers[i], access.authorizer))
      .filter((_, i) => !isAway || !isDoubt(answers[i]));
    session.subscriptions.judgeAll(judgements);
    session.permissionsChanged();
    if (answers.some(isDoubt)) access.reviewer?.reviewLater(client.clientId);
  };
  const answers = subscriptions.map((one): unknown => {
    try {
      return askAgain(access, client, one);
    } catch (error) {
      return failed(context, session, error);
    }
  });
  if (!answers.some(isPending)) {
    apply(answers);
    return undefined;
  }
  const settled = answers.map((answer) =>
    isPending(answer)
      ? inTime(context, answer).catch((error: unknown) => failed(context, session, error))
      : answer,
  );
  return Promise.all(settled).then(apply);
}

function failed(context: Context, { client }: Session, error: unknown): ReasonCode {
  const fields = { error: String(error) };
  tellFault(context, client, fields, 'the authorizer failed on a subscription');
  return ReasonCode.ServerUnavailable;
}
