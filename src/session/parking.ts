// A connection that waits for the answer of an authenticator or authorizer. It is not read meanwhile, so that its packets keep
// their order, and nobody else notices. An answer that does not come in time ends the connection: nothing that it waited
// with was acknowledged, so its client sends that again.

import { limitKey } from '../lib/address.ts';
import type { Cancellable } from '../lib/clock.ts';
import { Timer } from '../lib/timer-wheel.ts';
import type { PacketType } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { isLegalReasonCode } from '../protocol/reason-code-table.ts';
import type { Connection } from './connection.ts';
import { PauseReason } from './connection-state.ts';
import type { Context } from './context.ts';

/** Whether an answer is still to come. Also promises that are not this program's own count. */
export function isPending<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    typeof (answer as PromiseLike<T>).then === 'function'
  );
}

/** Asks all these questions. When one throws nobody waits for the answers to those before it any more. */
export function askAll<T>(
  questions: readonly (() => T | PromiseLike<T>)[],
): (T | PromiseLike<T>)[] {
  const answers: (T | PromiseLike<T>)[] = [];
  try {
    for (const ask of questions) answers.push(ask());
  } catch (error) {
    for (const answer of answers) {
      if (isPending(answer)) Promise.resolve(answer).catch(() => {}); // it would end the process
    }
    throw error;
  }
  return answers;
}

/**
 * What an authorizer answered, as a reason code: what is none counts as a refusal, since plain JavaScript may answer
 * anything, and access is never given by mistake.
 */
export function verdictOf(answer: unknown): ReasonCode {
  return typeof answer === 'number' && Number.isInteger(answer) && answer >= 0 && answer <= 0xff
    ? (answer as ReasonCode)
    : ReasonCode.NotAuthorized;
}

export interface ParkOptions<T> {
  /** Runs instead of `then` if the connection has ended meanwhile. */
  readonly orGone?: (value: T) => void;
  /** Whoever answers ends its waiting by itself, however long others are before it. */
  readonly isBounded?: boolean;
}

/** Somebody could not say: what it was asked about is refused for now, and may be asked again. */
export function isDoubt(answer: unknown): answer is ReasonCode {
  return answer === ReasonCode.ServerUnavailable || answer === ReasonCode.ServerBusy;
}

/**
 * The same, as a code that this packet may carry: an authorizer that fails may say what only CONNACK has. One that refuses may,
 * too, which must not look like a failure.
 */
export function verdictFor(type: PacketType, answer: unknown): ReasonCode {
  const code = verdictOf(answer);
  if (code < ReasonCode.UnspecifiedError || isLegalReasonCode(type, code)) return code;
  return isDoubt(code) ? ReasonCode.ImplementationSpecificError : ReasonCode.NotAuthorized;
}

/** Stops reading until `answer` is there, then runs `then`, which may park it again, and goes on. */
export function park<T>(
  connection: Connection,
  answer: PromiseLike<T>,
  then: (value: T) => ReasonCode,
  { orGone, isBounded = false }: ParkOptions<T> = {},
): void {
  connection.pauseReading(PauseReason.Parked);
  if (connection.parkedAnswers++ === 0 && connection.session === null) {
    connection.owner.onAsked(connection);
  }
  const deadline = isBounded ? NO_DEADLINE : startDeadline(connection);
  Promise.resolve(answer)
    .then((value) => {
      deadline.cancel();
      if (!connection.isOpen) {
        orGone?.(value);
        return;
      }
      const reasonCode = then(value);
      if (reasonCode >= ReasonCode.UnspecifiedError) connection.disconnect(reasonCode);
    })
    .catch((error: unknown) => {
      deadline.cancel();
      if (connection.isOpen) connection.onError(error);
    })
    .finally(() => {
      if (--connection.parkedAnswers > 0) return;
      connection.owner.onAnswered(connection);
      connection.resumeReading(PauseReason.Parked);
    });
}

/** Rejects when the answer takes longer than one may take. */
export function inTime<T>(
  { limits: { answerTimeoutMs }, wheel }: Pick<Context, 'limits' | 'wheel'>,
  answer: PromiseLike<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`no answer within ${answerTimeoutMs} ms`));
    const timer = new Timer({ onTimer: late });
    wheel.arm(timer, answerTimeoutMs);
    Promise.resolve(answer)
      .then(resolve, reject)
      .finally(() => wheel.cancel(timer));
  });
}

const NO_DEADLINE: Cancellable = { cancel: () => {} };

function startDeadline(connection: Connection): Cancellable {
  const { limits, refusalLog, wheel } = connection.context;
  const timer = new Timer({
    onTimer: () => {
      if (!connection.isOpen) return;
      const { answerTimeoutMs } = limits;
      connection.isExplained = true;
      refusalLog.warn(
        limitKey(connection.stream.remoteAddress),
        { clientId: connection.request?.clientId ?? null, answerTimeoutMs },
        'access control did not answer in time: the connection that waited for it is closed',
      );
      connection.fail(ReasonCode.ServerBusy, 'access control did not answer in time');
    },
  });
  wheel.arm(timer, limits.answerTimeoutMs);
  return { cancel: () => wheel.cancel(timer) };
}
