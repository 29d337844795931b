// A server whose clients are known to an endpoint: what they are told, and that one that hangs holds up nobody else.

import { expect, test } from 'vitest';
import { AuthenticatorChain } from '../../../src/auth/chain.ts';
import { HttpAuthenticator } from '../../../src/auth/http/authenticator.ts';
import { SILENT } from '../../../src/core/logger.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { toHex } from '../../kit/hex.ts';
import { type Answer, HttpEndpointServer } from '../../kit/http-endpoint.ts';
import { until } from '../../kit/until.ts';
import { settle, startServer, type TestServer } from '../../kit/wire.ts';

/** With the user name `ann` and the password `x`. */
const CONNECT_V5 = "10 16 0004 'MQTT' 05 c2 0000 00 0001 'a' 0003 'ann' 0001 'x'";
const CONNECT_V3 = "10 15 0004 'MQTT' 04 c2 0000 0001 'b' 0003 'ann' 0001 'x'";

async function serverWith(answer: Answer | Promise<Answer>) {
  const endpoint = await HttpEndpointServer.start(() => answer);
  const clock = new FakeClock();
  const options = { name: 'http', url: endpoint.url, cacheTtlMs: 0, clock };
  const authenticator = new AuthenticatorChain({
    members: [{ name: 'http', authenticator: new HttpAuthenticator(options), timeoutMs: 5_000 }],
    ...{ anonymous: true, clock, logger: SILENT },
  });
  return { endpoint, broker: await startServer({ authenticator, clock }), clock };
}

/** The beginning of the CONNACK that this CONNECT gets: flags and code. */
async function connackOf(broker: TestServer, connect: string): Promise<string> {
  const client = broker.open();
  client.write(connect);
  let connack = new Uint8Array(0);
  while (connack.length === 0) connack = Uint8Array.from(await client.packet());
  const code = connack.subarray(2, 4);
  expect(client.isClosed).toBe(code[1] !== 0);
  return toHex(code);
}

test.each<[string, Answer, string, string]>([
  ['allows', { json: { result: 'allow' } }, '00 00', '00 00'],
  ['denies', { json: { result: 'deny' } }, '00 86', '00 04'],
  ['ignores it', { json: { result: 'ignore' } }, '00 86', '00 04'],
  ['fails', { status: 500 }, '00 88', '00 03'],
  ['says something else', { status: 204 }, '00 88', '00 03'],
])('a client that the endpoint %s is told so', async (_, answer, v5, v3) => {
  const { broker } = await serverWith(answer);
  expect(await connackOf(broker, CONNECT_V5)).toBe(v5);
  expect(await connackOf(broker, CONNECT_V3)).toBe(v3);
});

test('while the endpoint hangs everybody else is served', async () => {
  const { broker, endpoint, clock } = await serverWith(new Promise<Answer>(() => {}));
  const waiting = broker.open();
  waiting.write(CONNECT_V5);
  await until(() => endpoint.asked.length === 1);
  const other = await broker.v3('c');
  await other.send('c0 00'); // PINGREQ
  await other.expect('d0 00');
  await waiting.expectNothing();
  clock.advance(5_000);
  let connack = new Uint8Array(0);
  while (connack.length === 0) connack = Uint8Array.from(await waiting.packet());
  expect(toHex(connack.subarray(2, 4))).toBe('00 88');
  await settle();
  expect(waiting.isClosed).toBe(true);
  await other.expectOpen();
});
