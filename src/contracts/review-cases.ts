// Whether those who were let in may stay, after users or rules have changed: `review`. An authenticator without it says that
// nothing changes, and cannot run these cases.

import assert from 'node:assert/strict';
import { decisionOf, reviewOf } from '../auth/answer.ts';
import type { Accepted, Authenticator, Client, ConnectRequest, Decision } from '../auth/auth.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import { type AccessCase, accessCase } from './access-case.ts';
import { clientOf, HOSTILE_NAMES, requestOf } from './access-values.ts';
import type { AuthenticatorPlace, KnownClient } from './authenticator-place.ts';
import { CannotRun } from './place.ts';

export const reviewCases: readonly AccessCase<AuthenticatorPlace>[] = [
  reviewCase('who was let in may stay while nothing changes', async (subject, { good }) => {
    for (const known of good) await staysAsItIs(subject, await letIn(subject, known));
  }),

  reviewCase('hostile clients are reviewed, and stay who they are', async (subject, { good }) => {
    const [{ by, credential }] = await Promise.all(good.map((known) => letIn(subject, known)));
    for (const name of [null, ...HOSTILE_NAMES.filter(isText)]) {
      for (const shown of [undefined, credential, name ?? 'none']) {
        const fields = { clientId: name ?? '', username: name, by, credential: shown };
        await review(subject, clientOf(fields));
      }
    }
  }),

  reviewCase('who would not be let in any more may not stay', async (subject, place) => {
    const { good, withdraw } = place;
    if (withdraw === undefined) throw new CannotRun('nobody loses the right to come in here');
    const [withdrawn, ...others] = await Promise.all(good.map((known) => letIn(subject, known)));
    const successor = await withdraw(subject);
    try {
      const { request } = good[0];
      assert.ok(!isAccepted(decisionOf(await successor.authenticate(requestOf(request)))));
      const name = nameOf(withdrawn);
      assert.equal(await review(successor, withdrawn), null, `${name} stays`);
      for (const client of others) await staysAsItIs(successor, client);
      const stranger = clientOf({ ...withdrawn, username: 'nobody has this name' });
      assert.equal(await review(successor, stranger), null, 'a user who never was stays');
    } finally {
      if (successor !== subject) await successor.close?.();
    }
  }),
];

/** The client that a server makes of whoever was let in. */
export function clientFrom(request: ConnectRequest, accepted: Accepted): Client {
  const { clientId, protocolVersion, remoteAddress } = request;
  const { username, groups, claims, permissions, by, ownGroups, credential } = accepted;
  return clientOf({
    ...{ clientId, username, protocolVersion, remoteAddress },
    ...{ groups, claims, permissions, by, ownGroups, credential },
  });
}

/** A client of now is the same after a review. */
export async function staysAsItIs(subject: Authenticator, client: Client): Promise<void> {
  const reviewed = await review(subject, client);
  assert.ok(reviewed !== null, `${nameOf(client)} may not stay`);
  assert.deepEqual(reviewed.groups ?? [], client.groups ?? [], 'its groups are others');
  assert.deepEqual(reviewed.claims, client.claims, 'its claims are others');
  assert.deepEqual(reviewed.permissions, client.permissions, 'its permissions are others');
}

function reviewCase(
  title: string,
  body: (subject: Authenticator, place: AuthenticatorPlace) => Promise<void>,
): AccessCase<AuthenticatorPlace> {
  const subjectOf = (place: AuthenticatorPlace) => place.authenticator();
  return accessCase(title, subjectOf, async (subject: Authenticator, place) => {
    if (subject.review === undefined) throw new CannotRun('it does not review');
    if (place.good.length === 0) throw new CannotRun('it knows enhanced authentication only');
    await body(subject, place);
  });
}

/** Rejects when the answer is neither a client nor null, or when it is another user. */
async function review(subject: Authenticator, client: Client): Promise<Client | null> {
  const answer: unknown = await subject.review?.(client); // it is frozen, so that writing to it throws
  return reviewOf(answer, client);
}

async function letIn(subject: Authenticator, { request }: KnownClient): Promise<Client> {
  const asked = requestOf(request);
  const decision = await subject.authenticate(asked);
  assert.ok(isAccepted(decisionOf(decision)), `a good client was not let in: ${shown(decision)}`);
  return clientFrom(asked, decision as Accepted);
}

/** Nobody is let in by another name. MQTT 5 §1.5.4 */
function isText(name: string): boolean {
  return !/[\0\p{Surrogate}]/u.test(name);
}

function isAccepted(decision: Decision): boolean {
  return decision !== 'next' && decision.reasonCode === ReasonCode.Success;
}

function shown(decision: Decision): string {
  return JSON.stringify(decision);
}

function nameOf({ username }: Client): string {
  return username === null ? 'an anonymous client' : `the user ${JSON.stringify(username)}`;
}
