// Answers that are not there yet: whether one is, and waiting for it no longer than is good.

import type { Clock } from '../lib/clock.ts';

/** Settles as the answer does, or rejects when that takes too long. */
export type Wait = <T>(answer: PromiseLike<T>) => PromiseLike<T>;

/** Whether an answer is still to come. Also promises that are not this program's own count. */
export function isPending<T>(answer: T | PromiseLike<T>): answer is PromiseLike<T> {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    typeof (answer as PromiseLike<T>).then === 'function'
  );
}

/** Settles as `answer` does, but rejects when it is not there after `timeoutMs`; what comes later is dropped. */
export function within<T>(answer: PromiseLike<T>, timeoutMs: number, clock: Clock): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = clock.every(timeoutMs, () => {
      timer.cancel();
      reject(new Error(`it did not answer within ${timeoutMs} ms`));
    });
    Promise.resolve(answer)
      .finally(() => timer.cancel())
      .then(resolve, reject);
  });
}
