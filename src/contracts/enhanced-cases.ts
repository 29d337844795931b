// Enhanced authentication: whoever offers no method passes the cases about methods that nobody knows, and cannot run the rest.

import assert from 'node:assert/strict';
import { stepOf } from '../auth/answer.ts';
import type { AuthExchange, Authenticator, AuthStep, Proven } from '../auth/auth.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { type AccessCase, accessCase } from './access-case.ts';
import { HOSTILE_NAMES, HOSTILE_PASSWORDS, requestOf } from './access-values.ts';
import type { AuthenticatorPlace, EnhancedClient } from './authenticator-place.ts';
import { CannotRun } from './place.ts';
import { clientFrom, staysAsItIs } from './review-cases.ts';

/** More rounds than any method has. */
const ROUNDS_MAX = 20;

export const enhancedCases: readonly AccessCase<AuthenticatorPlace>[] = [
  accessCase(
    'a method that nobody knows is not offered',
    subjectOf,
    async (subject: Authenticator) => {
      for (const method of ['NO-SUCH-METHOD', ...HOSTILE_NAMES]) {
        const request = requestOf({ authenticationMethod: method });
        assert.equal(subject.begin?.(method, request, null) ?? null, null, method.slice(0, 50));
      }
    },
  ),

  enhancedCase('who knows how to is proven, as who he is', async (subject, enhanced) => {
    const step = await prove(begin(subject, enhanced, null), enhanced);
    assert.equal(step.reasonCode, ReasonCode.Success);
    assert.equal(usernameOf(step), enhanced.username);
  }),

  enhancedCase('runs that happen at a time do not mix', async (subject, enhanced) => {
    const steps = await Promise.all(
      Array.from({ length: 10 }, () => prove(begin(subject, enhanced, null), enhanced)),
    );
    for (const step of steps) assert.equal(usernameOf(step), enhanced.username);
  }),

  enhancedCase('whatever else the client sends proves nobody', async (subject, enhanced) => {
    for (const data of HOSTILE_PASSWORDS) {
      await provesNobody(begin(subject, enhanced, null), () => data);
      const exchange = begin(subject, enhanced, null);
      const first = stepOf(await exchange.step(await enhanced.client()(null)));
      if (first.reasonCode === ReasonCode.Success) continue; // what comes first proves it
      await provesNobody(exchange, () => data);
    }
  }),

  enhancedCase('an exchange may be aborted at any time', async (subject, enhanced) => {
    begin(subject, enhanced, null).abort?.();
    const exchange = begin(subject, enhanced, null);
    const step = exchange.step(await enhanced.client()(null));
    exchange.abort?.();
    exchange.abort?.();
    await Promise.allSettled([step]);
    const proven = await prove(begin(subject, enhanced, null), enhanced);
    assert.equal(usernameOf(proven), enhanced.username);
  }),

  enhancedCase('doing it again keeps the identity, or is refused', async (subject, enhanced) => {
    const again = await prove(begin(subject, enhanced, enhanced.username), enhanced);
    assert.equal(usernameOf(again), enhanced.username);
    const client = enhanced.client();
    await provesNobody(beginOrNull(subject, enhanced, 'somebody else'), client);
  }),

  enhancedCase('who was proven may stay while nothing changes', async (subject, enhanced) => {
    if (subject.review === undefined) throw new CannotRun('it does not review');
    // As it was given: who let a client in is said by chains alone.
    let last: AuthStep | null = null;
    const exchange = begin(subject, enhanced, null);
    const step = async (data: Uint8Array | null): Promise<AuthStep> => {
      last = await exchange.step(data);
      return last;
    };
    await prove({ step }, enhanced);
    await staysAsItIs(subject, clientFrom(requestOf(enhanced.request), last as unknown as Proven));
  }),
];

function enhancedCase(
  title: string,
  body: (subject: Authenticator, enhanced: EnhancedClient) => Promise<void>,
): AccessCase<AuthenticatorPlace> {
  return accessCase(title, subjectOf, async (subject: Authenticator, { enhanced }) => {
    if (enhanced === undefined) throw new CannotRun('it offers no enhanced authentication');
    await body(subject, enhanced);
  });
}

function subjectOf(place: AuthenticatorPlace): Authenticator | Promise<Authenticator> {
  return place.authenticator();
}

function beginOrNull(
  subject: Authenticator,
  { method, request }: EnhancedClient,
  username: string | null,
): AuthExchange | null {
  const asked = requestOf({ ...request, authenticationMethod: method });
  return subject.begin?.(method, asked, username) ?? null;
}

function begin(
  subject: Authenticator,
  enhanced: EnhancedClient,
  username: string | null,
): AuthExchange {
  const exchange = beginOrNull(subject, enhanced, username);
  assert.ok(exchange !== null, `the method ${enhanced.method} is not offered`);
  return exchange;
}

/** Runs it to its end. */
async function run(
  exchange: AuthExchange,
  client: (challenge: Uint8Array | null) => Uint8Array | null | Promise<Uint8Array | null>,
): Promise<AuthStep> {
  let challenge: Uint8Array | null = null;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const step = stepOf(await exchange.step(await client(challenge)));
    if (step.reasonCode !== ReasonCode.ContinueAuthentication) return step;
    challenge = 'data' in step ? (step.data ?? null) : null;
  }
  return assert.fail(`it has no end after ${ROUNDS_MAX} rounds`);
}

async function prove(exchange: AuthExchange, enhanced: EnhancedClient): Promise<AuthStep> {
  return run(exchange, enhanced.client());
}

async function provesNobody(
  exchange: AuthExchange | null,
  client: (challenge: Uint8Array | null) => Uint8Array | null | Promise<Uint8Array | null>,
): Promise<void> {
  if (exchange === null) return;
  const { reasonCode } = await run(exchange, client);
  assert.notEqual(reasonCode, ReasonCode.Success, 'somebody was proven who must not be');
}

function usernameOf(step: AuthStep): string | null | undefined {
  return step.reasonCode === ReasonCode.Success && 'username' in step ? step.username : undefined;
}
