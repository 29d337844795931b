// The end of a token, whatever becomes of the clock by which it is told: it goes by the wall clock, which may be set.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { authenticator, NOW, token } from '../auth/jwt/kit.ts';
import { LogBook } from '../kit/log-book.ts';
import { LoginClient } from '../kit/login-client.ts';
import { until } from '../kit/until.ts';
import { settle, startServer, type TestServer } from '../kit/wire.ts';

const HOUR_MS = 3_600_000;
/** A token is good for that much longer than it says. */
const LEEWAY_MS = 30_000;

/** A server that takes tokens, and waits for `thinking` before it lets anybody in. */
async function serve(thinking: Promise<void> | null = null): Promise<TestServer> {
  const clock = new FakeClock();
  const logger = new LogBook();
  const jwt = await authenticator({}, undefined, { clock });
  const members = [{ name: 'jwt', authenticator: jwt, timeoutMs: 5_000 }];
  const chain = new AuthenticatorChain({ members, anonymous: false, clock, logger });
  const authorizer: Authorizer = {
    authorizeConnect: () => thinking?.then(() => 0) ?? 0,
    authorizePublish: () => 0,
    authorizeSubscribe: () => 0,
  };
  return startServer({ authenticator: chain, authorizer, clock, logger });
}

function dial(broker: TestServer, version: 4 | 5 = 5): LoginClient {
  return new LoginClient(broker.server.connect(), version);
}

/** A client whose token ends in an hour. */
async function connected(broker: TestServer, version: 4 | 5 = 5): Promise<LoginClient> {
  const client = dial(broker, version);
  const password = await token({ exp: NOW + 3_600 });
  client.show({ version, clientId: `v${version}`, username: 'u', password });
  expect(await client.code()).toBe(0);
  return client;
}

test('who is connected is ended with 0x87 when its token ends, by v3.1.1 without a word', async () => {
  const broker = await serve();
  const [client, old] = [await connected(broker), await connected(broker, 4)];
  await broker.advance(HOUR_MS + LEEWAY_MS - 1_000);
  expect([client.hasEnded, old.hasEnded]).toEqual([false, false]);
  await broker.advance(2_000);
  expect(await client.disconnected()).toBe(0x87);
  await until(() => old.hasEnded);
  expect(old.take()).toEqual([]);
});

test('when the clock is set forward beyond that, it is ended within a minute', async () => {
  const broker = await serve();
  const client = await connected(broker);
  broker.clock.jumpWall(2 * HOUR_MS);
  await broker.advance(60_000);
  expect(await client.disconnected()).toBe(0x87);
});

test('when it is set back, the token is good for as long as it says', async () => {
  const broker = await serve();
  const client = await connected(broker);
  await broker.advance(HOUR_MS / 2);
  broker.clock.jumpWall(-HOUR_MS);
  await broker.advance(HOUR_MS);
  expect(client.hasEnded).toBe(false);
  await broker.advance(HOUR_MS / 2 + LEEWAY_MS);
  expect(await client.disconnected()).toBe(0x87);
});

test('when it is set forward by mistake, and back before anybody looked, nothing happens', async () => {
  const broker = await serve();
  const client = await connected(broker);
  broker.clock.jumpWall(10 * HOUR_MS);
  broker.clock.jumpWall(-10 * HOUR_MS);
  await broker.advance(60_000);
  expect(client.hasEnded).toBe(false);
});

test('a token that was good before, and is remembered, does not come in again after its end', async () => {
  const broker = await serve();
  const client = await connected(broker);
  const password = await token({ exp: NOW + 3_600 });
  await broker.advance(HOUR_MS + LEEWAY_MS);
  await until(() => client.hasEnded);
  const again = dial(broker);
  again.show({ clientId: 'again', password });
  expect(await again.code()).toBe(0x87);
});

test('a token that ends while somebody thinks about its client does not come in', async () => {
  let answer: () => void = () => {};
  const broker = await serve(
    new Promise((resolve) => {
      answer = resolve;
    }),
  );
  const client = dial(broker);
  client.show({ clientId: 'slow', password: await token({ exp: NOW - 25 }) });
  await until(() => broker.server.metrics.authenticationSuccesses === 1);
  await broker.advance(6_000);
  answer();
  expect(await client.code()).toBe(0x87);
});

test('a new token in time is more time, also by a clock that was set meanwhile; one that is over ends the client', async () => {
  const broker = await serve();
  const client = dial(broker);
  client.show({ clientId: 'm', method: 'JWT', data: await token({ exp: NOW + 3_600 }) });
  expect(await client.code()).toBe(0);
  broker.clock.jumpWall(HOUR_MS);
  client.answer('JWT', await token({ exp: NOW + 3 * 3_600 }), 0x19);
  await until(() => client.packets.length > 0);
  expect(client.take()).toMatchObject([{ reasonCode: 0x00 }]);
  await broker.advance(HOUR_MS);
  await settle();
  expect(client.hasEnded).toBe(false);
  client.answer('JWT', await token({ exp: NOW + 3_600 }), 0x19);
  expect(await client.disconnected()).toBe(0x87);
});
