// Whoever is asked about those who are here may not be able to say: an endpoint is down, or takes too long. Then nothing opens,
// nobody is ended for it, what waits for those who are away goes on waiting, and it is asked again.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK_PRESENT, expectRefused } from '../kit/answers.ts';
import { ONE_HOUR, startStored } from '../kit/stored.ts';
import { subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { connectPacket, settle, startServer, type TestServer } from '../kit/wire.ts';

const AGAIN_MS = 10_100;

/** Allows everything that it can say anything about. */
class Endpoint implements Authorizer {
  state: 'up' | 'down' | 'hangs' | 'breaks' = 'up';

  authorizeConnect() {
    return this.#answer();
  }

  authorizePublish() {
    return ReasonCode.Success;
  }

  authorizeSubscribe() {
    return this.#answer();
  }

  async #answer(): Promise<ReasonCode> {
    if (this.state === 'hangs') return new Promise(() => {});
    if (this.state === 'breaks') throw new Error('broken');
    return this.state === 'up' ? ReasonCode.Success : ReasonCode.ServerUnavailable;
  }
}

/** The same, but that everybody may connect. */
function forSubscriptions(endpoint: Endpoint): Authorizer {
  return {
    authorizePublish: () => ReasonCode.Success,
    authorizeSubscribe: () => endpoint.authorizeSubscribe(),
  };
}

/** Replaces access by the same, and lets what hangs run out of time. */
async function reload(broker: TestServer, authorizer: Authorizer) {
  const reviewed = broker.server.setAccess({ authorizer });
  for (let i = 0; i < 3; i++) {
    await settle();
    broker.clock.advance(10_050);
  }
  return await reviewed;
}

test.each(['down', 'hangs', 'breaks'] as const)(
  'an endpoint that %s while access is reviewed ends nobody, mutes what it cannot say, and is asked again',
  async (state) => {
    const authorizer = new Endpoint();
    const broker = await startServer({ authorizer });
    const subscriber = await subscriberV5(broker, 's', 't');
    const publisher = await broker.v5('p');
    authorizer.state = state;
    expect(await reload(broker, authorizer)).toEqual({ ended: 0, muted: 1, sessions: 2 });
    await publisher.send("30 04 0001 't' 00");
    await subscriber.expectNothing();
    authorizer.state = 'up';
    await broker.advance(AGAIN_MS);
    await broker.advance(AGAIN_MS);
    await publisher.send("30 04 0001 't' 00");
    await subscriber.expect("30 04 0001 't' 00");
  },
);

test('one about whom nobody can say holds up no other: what is forbidden now ends at once', async () => {
  const broker = await startServer();
  await subscriberV5(broker, 'first', 't');
  const subscriber = await subscriberV5(broker, 'second', 't');
  const publisher = await broker.v5('p');
  void broker.server.setAccess({
    authorizer: {
      authorizePublish: () => ReasonCode.Success,
      authorizeSubscribe: ({ clientId }) =>
        clientId === 'first' ? new Promise<ReasonCode>(() => {}) : ReasonCode.NotAuthorized,
    },
  });
  await settle();
  await publisher.send("30 04 0001 't' 00");
  await subscriber.expectNothing();
});

test('while an endpoint is down at a start, messages go on waiting for those who are away', async () => {
  const endpoint = new Endpoint();
  const stored = await startStored({ authorizer: forSubscriptions(endpoint) });
  await subscribeV5(await stored.durable('s', true), 't', 1);
  endpoint.state = 'down';
  await stored.restart();
  const publisher = await stored.broker.v5('p');
  await publisher.send("32 06 0001 't' 0001 00");
  endpoint.state = 'up';
  const subscriber = stored.broker.open();
  await subscriber.send(connectPacket(5, 's', false, ONE_HOUR));
  await subscriber.expect(CONNACK_PRESENT, "32 06 0001 't' 0001 00");
});

test('who comes back while nobody can say what of its session it may have is told to come again: 0x88', async () => {
  const endpoint = new Endpoint();
  const broker = await startServer({ authorizer: forSubscriptions(endpoint) });
  const before = await subscriberV5(broker, 's', 't', 1, ONE_HOUR);
  await before.drop();
  const publisher = await broker.v5('p');
  await publisher.send("32 06 0001 't' 0001 00");
  endpoint.state = 'down';
  const inVain = broker.open();
  await inVain.send(connectPacket(5, 's', false, ONE_HOUR));
  await expectRefused(inVain, 0x88, 'cannot be checked now');
  endpoint.state = 'up';
  const after = broker.open();
  await after.send(connectPacket(5, 's', false, ONE_HOUR));
  await after.expect(CONNACK_PRESENT, "32 06 0001 't' 0001 00");
});
