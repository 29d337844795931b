// What access control has to say about its own failures, at a bounded rate: an endpoint that is down fails once a client, and
// a line each would bury what matters. The wheel that counts the time exists only once something has failed.

import type { Logger } from '../core/logger.ts';
import { RefusalLog } from '../core/refusal-log.ts';
import type { Clock } from '../lib/clock.ts';
import { TimerWheel } from '../lib/timer-wheel.ts';
import type { Wait } from './waiting.ts';

/** Longer texts of errors are cut. */
const TEXT_MAX = 300;

export class FailureLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #wheel: TimerWheel | null = null;
  #log: RefusalLog | null = null;

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** One line, now or later; the same `sentence` about the same `key` comes once in a while, with how often it was true. */
  warn(key: string, fields: object, sentence: string): void {
    this.#wheel ??= new TimerWheel(this.#clock);
    this.#log ??= new RefusalLog(this.#logger, this.#wheel);
    this.#log.warn(key, fields, sentence);
  }

  /** Says what it still has to say. */
  close(): void {
    this.#log?.close();
    this.#wheel?.close();
    this.#log = null;
    this.#wheel = null;
  }
}

/** What was thrown, as a text for the log: bounded, and never one that holds the client's password. */
export function failureText(error: unknown, password: Uint8Array | null = null): string {
  let text: string;
  try {
    text = error instanceof Error ? error.message : String(error);
  } catch {
    return 'something was thrown that has no text';
  }
  if (password !== null && password.length > 0 && text.includes(Buffer.from(password).toString())) {
    return 'an error whose text is not shown: it holds the password';
  }
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

/** Closes what has a name in the configuration, and then the log of its failures. Never rejects. */
export async function closeGuarded(
  name: string,
  closing: { close?(): void | PromiseLike<void> },
  wait: Wait,
  log: FailureLog,
): Promise<void> {
  try {
    const closed = closing.close?.();
    if (closed !== undefined) await wait(closed);
  } catch (error) {
    log.warn(name, { name, error: failureText(error) }, 'a part of access control failed to close');
  }
  log.close();
}
