// Clients with tokens, on the wire: CONNACK codes of both versions, and re-authentication. MQTT 5 §3.1.4, §4.12; 3.1.1 §3.1.4.

import { expect, test } from 'vitest';
import type { AuthExchange, Authenticator, ConnectRequest } from '../../src/auth/auth.ts';
import type { JwtAuthenticator } from '../../src/auth/jwt/authenticator.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { authenticator, encode, NOW, rawToken, token } from '../auth/jwt/kit.ts';
import { CONNACK, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { toHex } from '../kit/hex.ts';
import { LogBook } from '../kit/log-book.ts';
import { until } from '../kit/until.ts';
import { settle, startServer, type TestServer, type WireClient } from '../kit/wire.ts';

/**
 * Signatures are checked by other threads, so that no number of turns of the loop is sure to see their answers: this knows when
 * they are there.
 */
class Watched implements Authenticator {
  readonly #inner: JwtAuthenticator;
  #asked = 0;

  constructor(inner: JwtAuthenticator) {
    this.#inner = inner;
  }

  authenticate(request: ConnectRequest) {
    return this.#watch(this.#inner.authenticate(request));
  }

  begin(method: string, request: ConnectRequest, username: string | null): AuthExchange | null {
    const exchange = this.#inner.begin(method, request, username);
    return exchange && { step: (data) => this.#watch(exchange.step(data)) };
  }

  /** The client has sent this, and has its answer. */
  async send(client: WireClient, bytes: Uint8Array): Promise<void> {
    await client.send(bytes);
    await until(() => this.#asked === 0);
    await settle();
  }

  #watch<T>(answer: T | PromiseLike<T>): T | PromiseLike<T> {
    if (!(answer instanceof Promise)) return answer;
    this.#asked++;
    return answer.finally(() => {
      this.#asked--;
    });
  }
}

interface Place {
  readonly server: TestServer;
  readonly watched: Watched;
}

async function start(options: ServerOptions = {}, made?: JwtAuthenticator): Promise<Place> {
  const clock = new FakeClock();
  const inner = made ?? (await authenticator({ clientIdClaim: 'cid' }, undefined, { clock }));
  const watched = new Watched(inner);
  return { watched, server: await startServer({ ...options, clock, authenticator: watched }) };
}

/** A client that sent this, and has its answer. */
async function clientWith({ server, watched }: Place, connect: Uint8Array): Promise<WireClient> {
  const client = server.open();
  await watched.send(client, connect);
  return client;
}

const good = (claims = {}) => token({ cid: 'a', ...claims });

/** Two bytes of length, then the text. */
function text(value: string): number[] {
  const bytes = Buffer.from(value);
  return [bytes.length >>> 8, bytes.length & 0xff, ...bytes];
}

function packet(header: number, body: readonly number[]): Uint8Array {
  return Uint8Array.of(header, (body.length & 127) | 128, body.length >>> 7, ...body);
}

/** CONNECT of client `a`, clean, keep alive 0, with these credentials. */
function connect(version: 4 | 5, username: string | null, password: string): Uint8Array {
  const flags = 0x42 | (username === null ? 0 : 0x80);
  const name = username === null ? [] : text(username);
  const properties = version === 5 ? [0] : [];
  return packet(0x10, [
    ...text('MQTT'),
    version,
    flags,
    0,
    0,
    ...properties,
    ...text('a'),
    ...name,
    ...text(password),
  ]);
}

const METHOD = [0x15, ...text('JWT')];

/** CONNECT of client `a` with the method JWT. */
function connectEnhanced(data: string): Uint8Array {
  const properties = [...METHOD, 0x16, ...text(data)];
  const length = [(properties.length & 127) | 128, properties.length >>> 7];
  return packet(0x10, [...text('MQTT'), 5, 2, 0, 0, ...length, ...properties, ...text('a')]);
}

/** AUTH that begins a re-authentication. */
function reAuthenticate(data: string): Uint8Array {
  const properties = [...METHOD, 0x16, ...text(data)];
  return packet(0xf0, [
    0x19,
    (properties.length & 127) | 128,
    properties.length >>> 7,
    ...properties,
  ]);
}

test.each(['u', '', null])('a token in the password lets the user %j in, v5', async (username) => {
  const client = await clientWith(await start(), connect(5, username, await good()));
  await client.expect(CONNACK);
});

test.each(['u', ''])('a token in the password lets the user %j in, v3.1.1', async (username) => {
  const client = await clientWith(await start(), connect(4, username, await good()));
  await client.expect('20 02 00 00');
});

const REFUSALS: [string, string, () => Promise<string> | string, number, string][] = [
  ['an expired token', 'u', () => good({ exp: NOW - 31 }), 0x87, '05'],
  ['a token that is not valid yet', 'u', () => good({ nbf: NOW + 31 }), 0x87, '05'],
  ['a token for another audience', 'u', () => good({ aud: 'other' }), 0x87, '05'],
  ['a token of another user', 'v', () => good(), 0x87, '05'],
  ['a token of another client', 'u', () => good({ cid: 'b' }), 0x87, '05'],
  ['a token with broken rules', 'u', () => good({ acl: 'a/#' }), 0x87, '05'],
  ['an unsigned token', 'u', () => `${encode('{"alg":"none"}')}.${encode('{}')}.`, 0x86, '04'],
  ['a forged token', 'u', () => rawToken('{"alg":"HS256"}', '{}', Buffer.alloc(32)), 0x86, '04'],
];

test.each(REFUSALS)('%s is refused, v5', async (_, username, make, reasonCode) => {
  const client = await clientWith(await start(), connect(5, username, await make()));
  await expectRefused(client, reasonCode, 'the token ');
});

test.each(REFUSALS)('%s is refused, v3.1.1', async (_, username, make, __, returnCode) => {
  const client = await clientWith(await start(), connect(4, username, await make()));
  await client.expectClosed(`20 02 00 ${returnCode}`);
});

test('a password that is no token, and nobody else to ask, is refused', async () => {
  const place = await start();
  const v5 = await clientWith(place, connect(5, 'u', 'x'.repeat(130)));
  await expectRefused(v5, 0x87);
  const v3 = await clientWith(place, connect(4, 'u', 'x'.repeat(130)));
  await v3.expectClosed('20 02 00 05');
});

test('tokens that cannot be checked are no fault of the client: 0x88, v3 0x03', async () => {
  const url = 'http://127.0.0.1:1/keys';
  const place = await start({}, await authenticator({}, [{ algorithms: ['RS256'], url }]));
  const unknown = `${encode('{"alg":"RS256","kid":"k"}')}.${encode('{"sub":"u","x":"…"}')}.${'A'.repeat(342)}`;
  const v5 = await clientWith(place, connect(5, 'u', unknown));
  await expectRefused(v5, 0x88, 'tokens cannot be checked at the moment');
  const v3 = await clientWith(place, connect(4, 'u', unknown));
  await v3.expectClosed('20 02 00 03');
});

/** A client that came in by the method. */
async function enhanced(place: Place): Promise<WireClient> {
  const client = await clientWith(place, connectEnhanced(await good()));
  expect(toHex((await client.packet()).subarray(2, 4))).toBe('00 00'); // Success
  return client;
}

test('a token as Authentication Data lets its bearer in [MQTT-4.12.0-5]', async () => {
  const client = await clientWith(await start(), connectEnhanced(await good()));
  await client.expect(`
    20 14        // CONNACK
    00 00        // no session present, Success
    11           // properties
    21 0064 27 001e8480 22 0020
    15 0003 'JWT'`);
});

test('a bad token as Authentication Data is refused in CONNACK [MQTT-4.12.0-4]', async () => {
  const client = await clientWith(await start(), connectEnhanced(await good({ exp: NOW - 31 })));
  await expectRefused(client, 0x87, 'the token has expired');
});

test('a new token is answered with AUTH 0x00, and the client stays [MQTT-4.12.1-1]', async () => {
  const place = await start();
  const client = await enhanced(place);
  for (const exp of [NOW + 7_200, NOW + 9_000]) {
    await place.watched.send(client, reAuthenticate(await good({ exp })));
    await client.expect("f0 08 00 06 15 0003 'JWT'");
  }
  await client.expectOpen();
});

test.each([
  ['another user', { sub: 'v' }],
  ['another client', { cid: 'b' }],
  ['nobody any more', { exp: NOW - 31 }],
])('a new token for %s ends the connection with 0x87 [MQTT-4.12.1-2]', async (_, claims) => {
  const place = await start();
  const client = await enhanced(place);
  await place.watched.send(client, reAuthenticate(await good(claims)));
  await expectDisconnected(client, 0x87, 'the token ');
});

test('a forged one, too', async () => {
  const place = await start();
  const client = await enhanced(place);
  const forged = rawToken('{"alg":"HS256"}', '{"sub":"u"}', Buffer.alloc(32));
  await place.watched.send(client, reAuthenticate(forged));
  await expectDisconnected(client, 0x87, 'the token is not accepted');
});

test('the token is in no log line', async () => {
  const logger = new LogBook();
  const place = await start({ logger }, await authenticator());
  for (const [version, claims] of [
    [5, {}],
    [4, {}],
    [5, { exp: 1 }],
    [4, { aud: 'x' }],
  ] as const) {
    const text = await token(claims);
    await clientWith(place, connect(version, 'u', text));
    for (const part of text.split('.')) expect(JSON.stringify(logger.lines)).not.toContain(part);
  }
  expect(logger.lines.length).toBeGreaterThan(0);
});
