// The contract that every authenticator must keep, for their authors: `iothub/contracts`. It needs no test runner of its own:
//
//   import { authenticatorContract } from 'iothub/contracts';
//   for (const one of authenticatorContract) test(one.title, () => one.run(makePlace));
//
// `makePlace` makes an authenticator and says whom it lets in and whom not. A case that a place cannot show rejects with
// `CannotRun`: a runner that can skip from within a test may do that then, so that nobody takes it for passed.

import assert from 'node:assert/strict';
import { decisionOf } from '../auth/answer.ts';
import type { Accepted, Authenticator, ConnectRequest, Decision } from '../auth/auth.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { type AccessCase, accessCase } from './access-case.ts';
import { bytesOf, HOSTILE_NAMES, HOSTILE_PASSWORDS, requestOf } from './access-values.ts';
import type { AuthenticatorPlace } from './authenticator-place.ts';
import { enhancedCases } from './enhanced-cases.ts';
import { CannotRun } from './place.ts';
import { reviewCases } from './review-cases.ts';

/** How many ask at a time. */
const CROWD = 40;
/** Shorter passwords may stand in an answer by chance. */
const TELLING_LENGTH = 6;

function authenticatorCase(
  title: string,
  body: (authenticator: Authenticator, place: AuthenticatorPlace) => Promise<void>,
): AccessCase<AuthenticatorPlace> {
  return accessCase(title, (place: AuthenticatorPlace) => place.authenticator(), body);
}

const ordinaryCases = [
  authenticatorCase('a client that is known is let in, as who it is', async (subject, place) => {
    for (const { request, username } of goodOf(place)) {
      const decision = await ask(subject, request);
      assert.ok(isAccepted(decision), `a good client was not let in: ${shown(decision)}`);
      assert.equal(decision.username, username);
    }
  }),

  authenticatorCase('a client that is not known is not let in', async (subject, place) => {
    assert.ok(place.bad.length > 0, 'the place names nobody who is not let in');
    for (const request of place.bad) await refuses(subject, request);
  }),

  authenticatorCase('what it cannot judge is passed on', async (subject, { foreign = [] }) => {
    if (foreign.length === 0) throw new CannotRun('it judges everything');
    for (const request of foreign) assert.equal(await ask(subject, request), 'next');
  }),

  authenticatorCase('who shows nothing is nobody, if anything', async (subject, place) => {
    const decision = await ask(subject, {});
    assert.equal(isAccepted(decision), place.letsAnonymousIn === true, shown(decision));
    if (isAccepted(decision)) assert.equal(decision.username, null);
  }),

  authenticatorCase('the version of the protocol makes no difference', async (subject, place) => {
    for (const protocolVersion of [3, 4, 5] as const) {
      for (const { request } of goodOf(place)) {
        assert.ok(isAccepted(await ask(subject, { ...request, protocolVersion })));
      }
      for (const request of place.bad) await refuses(subject, { ...request, protocolVersion });
    }
  }),

  authenticatorCase('who was asked about before makes no difference', async (subject, place) => {
    for (let round = 0; round < 3; round++) {
      for (const request of place.bad) await refuses(subject, request);
      for (const { request, username } of place.good) {
        const decision = await ask(subject, request);
        assert.ok(isAccepted(decision) && decision.username === username, shown(decision));
        for (const bad of place.bad) await refuses(subject, bad);
      }
    }
  }),

  authenticatorCase(
    'of many who come at a time each gets its own answer',
    async (subject, place) => {
      const crowd = Array.from({ length: CROWD }, (_, i) => {
        const { good, bad } = place;
        const isGood = good.length > 0 && i % 2 === 0;
        const known = isGood ? good[(i / 2) % good.length] : null;
        return { known, request: known?.request ?? bad[i % bad.length] };
      });
      const decisions = await Promise.all(crowd.map(({ request }) => ask(subject, request)));
      decisions.forEach((decision, i) => {
        const { known } = crowd[i];
        assert.equal(isAccepted(decision), known !== null, shown(decision));
        if (isAccepted(decision)) assert.equal(decision.username, known?.username);
      });
    },
  ),
];

const hostileCases = [
  authenticatorCase(
    'hostile names and passwords are answered, and let nobody in',
    async (subject) => {
      for (const name of HOSTILE_NAMES) {
        for (const password of HOSTILE_PASSWORDS) {
          await refuses(subject, { username: name, password });
        }
        await refuses(subject, { clientId: name, username: name, password: bytesOf(name) });
      }
      for (const password of HOSTILE_PASSWORDS) {
        if (password !== null) await refuses(subject, { password });
      }
    },
  ),

  authenticatorCase('nearly the right password is the wrong one', async (subject, place) => {
    const good = place.good.filter(({ request }) => (request.password?.length ?? 0) > 1);
    if (good.length === 0) throw new CannotRun('nobody shows a password');
    for (const { request } of good) {
      for (const password of nearly(request.password ?? bytesOf(''))) {
        await refuses(subject, { ...request, password });
      }
    }
  }),

  authenticatorCase('nearly the right name is another one', async (subject, place) => {
    const good = place.good.filter(({ request }) => (request.certificate ?? null) === null);
    const named = good.filter(({ request }) => (request.username ?? '') !== '');
    if (named.length === 0) throw new CannotRun('nobody is known by a user name');
    for (const { request } of named) {
      for (const end of ['\0', ' ', '/', '+', '#', '\u0301', 'x']) {
        await refuses(subject, { ...request, username: `${request.username}${end}` });
        await refuses(subject, { ...request, username: `${end}${request.username}` });
      }
    }
  }),

  authenticatorCase('a request stays as it was', async (subject, place) => {
    for (const fields of [...place.good.map(({ request }) => request), ...place.bad]) {
      const request = requestOf(fields);
      const before = request.password === null ? null : [...request.password];
      await decide(subject, request); // it is frozen, so that writing to it throws
      assert.deepEqual(request.password === null ? null : [...request.password], before);
    }
  }),

  authenticatorCase('an answer does not hold the password', async (subject, place) => {
    for (const fields of [...place.good.map(({ request }) => request), ...place.bad]) {
      const { password } = requestOf(fields);
      if (password === null || password.length < TELLING_LENGTH) continue;
      const answer = JSON.stringify(await ask(subject, fields));
      for (const encoding of ['utf8', 'base64', 'hex'] as const) {
        const text = Buffer.from(password).toString(encoding);
        assert.ok(!answer.includes(text), `the password stands in the answer, as ${encoding}`);
      }
    }
  }),

  authenticatorCase('by a refusal nobody learns which names there are', async (subject, place) => {
    const told = new Set<string | undefined>();
    for (const request of place.bad) {
      const decision = await ask(subject, request);
      if (decision === 'next' || isAccepted(decision)) continue;
      if (decision.reasonCode === ReasonCode.BadUserNameOrPassword) told.add(decision.reasonString);
    }
    assert.ok(told.size <= 1, `refusals differ: ${[...told].join(' | ')}`);
  }),
];

const endCases = [
  authenticatorCase('a client that has gone harms nobody', async (subject, place) => {
    for (const { request } of place.good) await ask(subject, { ...request, isGone: true });
    for (const request of place.bad) await refuses(subject, { ...request, isGone: true });
    for (const { request } of place.good) assert.ok(isAccepted(await ask(subject, request)));
  }),

  authenticatorCase('it can be closed twice, and while it is asked', async (subject, place) => {
    const requests = [...place.good.map(({ request }) => request), ...place.bad];
    const asked = requests.map(async (request) => subject.authenticate(requestOf(request)));
    await Promise.all([subject.close?.(), subject.close?.()]);
    await subject.close?.();
    await Promise.allSettled(asked); // answers or errors, but an end
  }),
];

export const authenticatorContract: readonly AccessCase<AuthenticatorPlace>[] = [
  ...ordinaryCases,
  ...hostileCases,
  ...enhancedCases,
  ...reviewCases,
  ...endCases,
];

function goodOf({ good, enhanced }: AuthenticatorPlace): AuthenticatorPlace['good'] {
  if (good.length > 0) return good;
  assert.ok(enhanced !== undefined, 'the place names nobody who is let in');
  throw new CannotRun('it knows enhanced authentication only');
}

function ask(subject: Authenticator, fields: Partial<ConnectRequest>): Promise<Decision> {
  return decide(subject, requestOf(fields));
}

/** Rejects when the answer is no Decision. */
async function decide(subject: Authenticator, request: ConnectRequest): Promise<Decision> {
  const answer: unknown = await subject.authenticate(request);
  return decisionOf(answer);
}

async function refuses(subject: Authenticator, fields: Partial<ConnectRequest>): Promise<void> {
  const decision = await ask(subject, fields);
  const { username = null, password = null } = fields;
  const bytes = password === null ? 'no password' : `a password of ${password.length} bytes`;
  const who = `user name ${JSON.stringify(username)?.slice(0, 50)}, ${bytes}`;
  assert.ok(!isAccepted(decision), `somebody was let in who must not be: ${who}`);
}

function isAccepted(decision: Decision): decision is Accepted {
  return decision !== 'next' && decision.reasonCode === ReasonCode.Success;
}

/** Passwords that are nearly `password`. One with U+0000 behind it is not among them: some formats end there. */
function nearly(password: Uint8Array): Uint8Array[] {
  const text = Buffer.from(password);
  return [
    text.subarray(1),
    text.subarray(0, -1),
    Buffer.concat([text, Buffer.from(' ')]),
    Buffer.concat([text, Buffer.from('\n')]),
    Buffer.concat([Buffer.from('\0'), text]),
    Buffer.concat([text, text]),
    text.map((byte, i) => (i === 0 ? byte ^ 0x20 : byte)),
    text.map((byte, i) => (i === text.length >> 1 ? byte ^ 0x80 : byte)),
    new Uint8Array(0),
  ];
}

function shown(decision: Decision): string {
  return JSON.stringify(decision);
}
