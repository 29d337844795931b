// An enhanced authentication for tests: the method `T` asks `c1`, wants `r1`, asks `c2`, wants `r2`, and ends with `ok`. At once,
// or with promises. MQTT 5 §4.12.

import type { AuthExchange, Authenticator, AuthStep } from '../../src/auth/auth.ts';

const QUESTIONS = ['c1', 'c2'];
const ANSWERS = ['r1', 'r2'];

export interface TestMethodOptions {
  /** Every step is a promise. */
  readonly isAsync?: boolean;
}

export class TestMethod implements Authenticator {
  /** Authentication Data that came, as text; null for none. */
  readonly received: (string | null)[] = [];
  /** Who asked so far; a name for each re-authentication. */
  readonly begun: (string | null)[] = [];
  aborted = 0;
  isOffered = true;
  readonly #isAsync: boolean;

  constructor(options: TestMethodOptions = {}) {
    this.#isAsync = options.isAsync === true;
  }

  /** CONNECT without a method. */
  authenticate() {
    return { reasonCode: 0, username: null } as const;
  }

  begin(method: string, _request: unknown, username: string | null): AuthExchange | null {
    if (method !== 'T' || !this.isOffered) return null;
    this.begun.push(username);
    let round = 0;
    return {
      step: (data) => {
        const text = data === null ? null : new TextDecoder().decode(data);
        this.received.push(text);
        const step = this.#step(round++, text);
        return this.#isAsync ? Promise.resolve(step) : step;
      },
      abort: () => {
        this.aborted++;
      },
    };
  }

  #step(round: number, text: string | null): AuthStep {
    if (text === 'throw') throw new Error('the method is broken');
    if (round > 0 && text !== ANSWERS[round - 1]) {
      return { reasonCode: 0x87, reasonString: 'wrong answer' };
    }
    if (round < QUESTIONS.length) return { reasonCode: 0x18, data: bytes(QUESTIONS[round]) };
    return { reasonCode: 0, username: 'u', data: bytes('ok') };
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
