// Attacks on logging in, through a server that runs as people run it, with everything that can be asked who a client is: each
// listener lets in exactly whom it should, whatever else is shown, and nothing that was shown is in the log.

import net from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createWebSocketStream, WebSocket } from 'ws';
import { type AuthPacket, PacketType } from '../../src/protocol/index.ts';
import { hex } from '../kit/hex.ts';
import { knock, type LoginClient } from '../kit/login-client.ts';
import { ScramClient } from '../kit/scram-client.ts';
import {
  type Comer,
  type Door,
  encode,
  FILE_PASSWORD,
  IN_AN_HOUR,
  LoginHub,
  PUBLIC_PEM,
  proxied,
  SECRET,
  STORE_PASSWORD,
  tokenOf,
  V2,
} from './login-hub.ts';

let hub: LoginHub;
let count = 0;

beforeAll(async () => {
  hub = await LoginHub.start();
}, 60_000);

afterAll(() => hub.server.kill());

describe('who should come in does, as who it is', () => {
  test.each<[string, Door, Comer, string | null]>([
    ['a user of the file', 'all', { username: 'bob', password: FILE_PASSWORD }, 'bob'],
    ['the same by v3.1.1', 'all', { version: 4, username: 'bob', password: FILE_PASSWORD }, 'bob'],
    ['the same by v3.1', 'all', { version: 3, username: 'bob', password: FILE_PASSWORD }, 'bob'],
    [
      'a user of the store, by a unix socket',
      'socket',
      { username: 'ann', password: STORE_PASSWORD },
      'ann',
    ],
    ['a token', 'all', { password: tokenOf() }, 'tom'],
    ['a token beside an empty user name', 'all', { username: '', password: tokenOf() }, 'tom'],
    [
      'a token with its user name, v3.1.1',
      'all',
      { version: 4, username: 'tom', password: tokenOf() },
      'tom',
    ],
    ['a token in the user name', 'named', { username: tokenOf() }, 'tom'],
    ['nobody, where that is said', 'open', {}, null],
    ['a certificate', 'secure', { certificate: 'dev' }, 'dev'],
    [
      'a certificate, whatever CONNECT says',
      'secure',
      { certificate: 'dev', username: 'bob', password: 'guess-1' },
      'dev',
    ],
    ['a certificate whose name is the client id', 'device', { certificate: 'dev' }, 'dev'],
    [
      'a user of the file without a certificate',
      'secure',
      { username: 'bob', password: FILE_PASSWORD },
      'bob',
    ],
    ['a certificate that a balancer verified', 'balanced', { header: proxied('dev') }, 'dev'],
  ])('%s', async (_, door, shown, username) => {
    const clientId = `id-${++count}`;
    expect(await hub.code(door, { clientId, ...shown })).toBe(0);
    const named = door === 'device' ? 'dev' : clientId;
    const line = (await hub.server.line(new RegExp(`"clientId":"${named}".*client connected`)))
      .input;
    expect(JSON.parse(line)).toMatchObject({ clientId: named, username });
  });
});

describe('who should not come in does not', () => {
  test.each<[string, Door, Comer, number | null]>([
    ['a wrong password', 'all', { username: 'bob', password: 'guess-1' }, 0x86],
    ['a wrong password, v3.1.1', 'all', { version: 4, username: 'bob', password: 'guess-1' }, 4],
    ['a wrong password, v3.1', 'all', { version: 3, username: 'bob', password: 'guess-1' }, 4],
    ['a name that nobody has', 'all', { username: 'eve', password: 'guess-1' }, 0x86],
    ['the password of another', 'all', { username: 'ann', password: FILE_PASSWORD }, 0x86],
    ['nobody', 'all', {}, 0x87],
    ['nobody, v3.1.1', 'all', { version: 4 }, 5],
    ['nobody, v3.1', 'all', { version: 3 }, 5],
    ['nobody, where it is said that nobody may', 'nobody', {}, 0x87],
    ['a user name alone', 'all', { username: 'bob' }, 0x86],
    ['a user name alone, v3.1.1', 'all', { version: 4, username: 'bob' }, 4],
    ['a password alone', 'all', { password: FILE_PASSWORD }, 0x86],
    ['empty ones', 'all', { username: '', password: '' }, 0x86],
    ['empty ones, v3.1', 'all', { version: 3, username: '', password: '' }, 4],
    ['an empty password', 'all', { username: 'bob', password: '' }, 0x86],
    ['a password and more', 'all', { username: 'bob', password: `${FILE_PASSWORD}x` }, 0x86],
    ['a password with a NUL', 'all', { username: 'bob', password: `${FILE_PASSWORD}\0` }, 0x86],
    ['a password cut by a NUL', 'all', { username: 'bob', password: `${FILE_PASSWORD}\0x` }, 0x86],
    ['a password of 60,000 bytes', 'all', { username: 'bob', password: 'x'.repeat(60_000) }, 0x86],
    ['the same, of nobody', 'all', { username: 'eve', password: 'x'.repeat(60_000) }, 0x86],
    ['a name in another case', 'all', { username: 'BOB', password: FILE_PASSWORD }, 0x86],
    ['a name with a blank', 'all', { username: 'bob ', password: FILE_PASSWORD }, 0x86],
    ['a name that is all names', 'all', { username: '#', password: FILE_PASSWORD }, 0x86],
    ['a name with a line end', 'all', { username: 'bob\nbob', password: FILE_PASSWORD }, 0x86],
    ['a name of Object', 'all', { username: '__proto__', password: FILE_PASSWORD }, 0x86],
    ['a name of 65,000 bytes', 'all', { username: 'b'.repeat(65_000), password: 'x' }, 0x86],
    ['a certificate that is not shown', 'device', {}, 0x87],
    ['its name as user name', 'device', { username: 'dev' }, 0x86],
    ['its name as client id', 'device', { clientId: 'dev' }, 0x87],
  ])('%s', async (_, door, shown, expected) => {
    expect(await hub.code(door, shown)).toBe(expected);
  });
});

describe('where nobody in particular may come in, whoever shows something must be right', () => {
  test.each<[string, Comer, number | null]>([
    ['a wrong password', { username: 'bob', password: 'guess-2' }, 0x86],
    ['a wrong password, v3.1.1', { version: 4, username: 'bob', password: 'guess-2' }, 4],
    ['a name that nobody has', { username: 'eve', password: 'guess-2' }, 0x86],
    ['a user name alone', { username: 'bob' }, 0x86],
    ['a user name alone that nobody has', { username: 'eve' }, 0x86],
    ['an empty user name', { username: '' }, 0x86],
    ['an empty user name, v3.1.1', { version: 4, username: '' }, 4],
    ['an empty user name, v3.1', { version: 3, username: '' }, 4],
    ['an empty password', { password: '' }, 0x86],
    ['a password alone', { password: 'guess-2' }, 0x86],
    ['empty ones', { username: '', password: '' }, 0x86],
    ['a forged token', { password: tokenOf({}, { alg: 'none' }) }, 0x86],
    ['an expired token', { password: tokenOf({ exp: 1 }) }, 0x87],
    ['an unknown method', { method: 'M' }, 0x8c],
    ['a method without a name', { method: '' }, 0x8c],
    [
      'a method of users who are not asked here',
      { method: 'SCRAM-SHA-256', data: 'n,,n=ann,r=x' },
      0x8c,
    ],
    ['a method with a token that is none', { method: 'JWT', data: 'x' }, 0x86],
  ])('%s', async (_, shown, expected) => {
    expect(await hub.code('open', shown)).toBe(expected);
    if (shown.method === undefined) expect(await hub.code('secure', shown)).toBeGreaterThan(0);
  });
});

describe('each listener asks its own authenticators only', () => {
  test.each<[string, Door, Comer, number | null]>([
    ['a user of the store', 'open', { username: 'ann', password: STORE_PASSWORD }, 0x86],
    ['a user of the file', 'socket', { username: 'bob', password: FILE_PASSWORD }, 0x86],
    ['a user of the file', 'named', { username: 'bob', password: FILE_PASSWORD }, 0x86],
    ['a user of the file', 'device', { username: 'bob', password: FILE_PASSWORD }, 0x86],
    ['a token', 'socket', { password: tokenOf() }, 0x86],
    ['a token in the wrong place', 'named', { password: tokenOf() }, 0x86],
    ['a token in the wrong place', 'all', { username: tokenOf(), password: '' }, 0x86],
    ['SCRAM', 'named', { method: 'SCRAM-SHA-256', data: 'n,,n=ann,r=x' }, 0x8c],
    ['a token by its method', 'socket', { method: 'JWT', data: tokenOf() }, 0x8c],
  ])('%s at %s', async (_, door, shown, expected) => {
    expect(await hub.code(door, shown)).toBe(expected);
  });

  test('by WebSocket, too', async () => {
    const login = async (username: string, password: string) => {
      const socket = new WebSocket(`ws://127.0.0.1:${hub.port('web')}/mqtt`, 'mqtt');
      const stream = createWebSocketStream(socket) as unknown as net.Socket;
      onTestFinished(() => void stream.destroy());
      return await knock(stream, { username, password });
    };
    expect(await login('bob', FILE_PASSWORD)).toBe(0);
    expect(await login('bob', 'guess-3')).toBe(0x86);
    expect(await login('ann', STORE_PASSWORD)).toBe(0x86);
  });
});

describe('behind a balancer only a certificate that it verified, where that is believed, is one', () => {
  test.each<[string, Door, Comer, number | null]>([
    ['one without a certificate', 'balanced', { header: proxied(null) }, 0x87],
    ['one whose certificate was not verified', 'balanced', { header: proxied('dev', 1) }, 0x87],
    ['one whose certificate has an empty name', 'balanced', { header: proxied('') }, 0x87],
    [
      'one of the balancer’s own',
      'balanced',
      { header: Buffer.from(`${V2}2000 0000`.replace(/ /g, ''), 'hex') },
      0x87,
    ],
    ['one that says its name itself', 'balanced', { header: proxied(null), username: 'dev' }, 0x86],
    [
      'one that sends a header of its own behind it',
      'balanced',
      { header: Buffer.concat([proxied(null), proxied('dev')]) },
      null,
    ],
    ['one that sends none', 'balanced', {}, null],
    ['a name that is not believed', 'unbalanced', { header: proxied('dev') }, 0x87],
  ])('%s', async (_, door, shown, expected) => {
    expect(await hub.code(door, shown)).toBe(expected);
  });
});

describe('a token that is not what it should be', () => {
  const signed = tokenOf().split('.');
  const unsigned = (alg: string) => `${encode({ alg })}.${signed[1]}.`;
  const rsaHeader = encode({ alg: 'RS256' });

  test.each<[string, string, number]>([
    ['without a signature', `${signed[0]}.${signed[1]}.`, 0x86],
    ['of no algorithm', unsigned('none'), 0x86],
    ['of no algorithm, in other letters', unsigned('nOnE'), 0x86],
    ['of no algorithm, signed', tokenOf({}, { alg: 'none' }), 0x86],
    ['of an empty algorithm', unsigned(''), 0x86],
    ['of another secret', tokenOf({}, { alg: 'HS256' }, 'another-secret-of-thirty-two-byte'), 0x86],
    ['of an empty secret', tokenOf({}, { alg: 'HS256' }, ''), 0x86],
    ['of another algorithm', tokenOf({}, { alg: 'HS512' }), 0x86],
    ['signed with the public key as a secret', tokenOf({}, { alg: 'HS256' }, PUBLIC_PEM), 0x86],
    ['the same without its last line end', tokenOf({}, { alg: 'HS256' }, PUBLIC_PEM.trim()), 0x86],
    ['that says it is of the other key', `${rsaHeader}.${signed[1]}.${signed[2]}`, 0x86],
    [
      'that brings its key',
      tokenOf({}, { alg: 'HS256', jwk: { kty: 'oct', k: encode('x') } }, 'x'),
      0x86,
    ],
    [
      'that names a file as its key',
      tokenOf({}, { alg: 'HS256', kid: '../../dev/null' }, ''),
      0x86,
    ],
    [
      'with other claims under its signature',
      `${signed[0]}.${encode({ sub: 'root' })}.${signed[2]}`,
      0x86,
    ],
    ['with critical extensions', tokenOf({}, { alg: 'HS256', crit: ['exp'] }), 0x86],
    ['that has expired', tokenOf({ exp: IN_AN_HOUR - 7_200 }), 0x87],
    ['that never expires', tokenOf({ exp: undefined }), 0x87],
    ['that expires at a text', tokenOf({ exp: String(IN_AN_HOUR) }), 0x87],
    ['that is not valid yet', tokenOf({ nbf: IN_AN_HOUR }), 0x87],
    ['for somebody else', tokenOf({ aud: 'http' }), 0x87],
    ['for nobody', tokenOf({ aud: undefined }), 0x87],
    ['of another issuer', tokenOf({ iss: 'you' }), 0x87],
    ['of no issuer', tokenOf({ iss: undefined }), 0x87],
    ['about nobody', tokenOf({ sub: undefined }), 0x87],
    ['about an empty name', tokenOf({ sub: '' }), 0x87],
    ['about a list', tokenOf({ sub: ['tom'] }), 0x87],
  ])('%s lets nobody in, in whichever way it comes', async (_, text, expected) => {
    expect(await hub.code('all', { password: text })).toBe(expected);
    expect(await hub.code('named', { username: text })).toBe(expected);
    expect(await hub.code('all', { method: 'JWT', data: text })).toBe(expected);
    expect(await hub.code('all', { version: 4, username: '', password: text })).toBe(
      expected - 0x82,
    );
  });

  test('is not for a client with another user name', async () => {
    expect(await hub.code('all', { username: 'tim', password: tokenOf() })).toBe(0x87);
    expect(await hub.code('all', { username: 'tim', method: 'JWT', data: tokenOf() })).toBe(0x87);
  });

  test('has nobody asked at an address of its own', async () => {
    let asked = 0;
    const other = net.createServer((socket) => {
      asked++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void other.close());
    const url = `http://127.0.0.1:${(other.address() as net.AddressInfo).port}/keys`;
    const header = { alg: 'RS256', kid: 'new', jku: url, x5u: url };
    expect(await hub.code('all', { password: tokenOf({}, header) })).toBe(0x86);
    expect(asked).toBe(0);
  });
});

describe('AUTH at the wrong time, or about somebody else', () => {
  const SCRAM = 'SCRAM-SHA-256';

  /** A client that proved itself by SCRAM. */
  async function proven(username = 'ann', password = STORE_PASSWORD) {
    const client = hub.client('all');
    const scram = new ScramClient(username, password);
    client.show({ clientId: `scram-${++count}`, method: SCRAM, data: scram.first });
    await respond(client, scram);
    return { client, code: await client.code() };
  }

  async function respond(client: LoginClient, scram: ScramClient): Promise<void> {
    const { properties } = (await client.next(PacketType.Auth)) as AuthPacket;
    const serverFirst = Buffer.from(properties.authenticationData ?? []).toString();
    client.answer(SCRAM, scram.final(serverFirst));
  }

  test('SCRAM lets in whoever knows the password, and nobody else', async () => {
    expect((await proven()).code).toBe(0);
    expect((await proven('ann', 'guess-4')).code).toBe(0x86);
    expect((await proven('eve', STORE_PASSWORD)).code).toBe(0x86);
  });

  test('a password of the file is none for SCRAM, whoever says so', async () => {
    expect((await proven('bob', FILE_PASSWORD)).code).toBe(0x86);
  });

  test('who re-authenticates as somebody else is ended, though it can prove it', async () => {
    await hub.addUser('zoe');
    const { client } = await proven();
    client.answer(SCRAM, new ScramClient('zoe', STORE_PASSWORD).first, 0x19);
    expect(await client.disconnected()).toBe(0x87);
  });

  test('who fails to re-authenticate is ended', async () => {
    const { client } = await proven();
    const scram = new ScramClient('ann', 'guess-4');
    client.answer(SCRAM, scram.first, 0x19);
    await respond(client, scram);
    expect(await client.disconnected()).toBe(0x87);
  });

  test('who answers by another method than it began with is ended', async () => {
    const { client } = await proven();
    client.answer('JWT', tokenOf({ sub: 'ann' }), 0x19);
    expect(await client.disconnected()).toBe(0x82);
  });

  test('who came with a password cannot re-authenticate', async () => {
    const client = hub.client('all');
    client.show({ clientId: `pw-${++count}`, username: 'bob', password: FILE_PASSWORD });
    expect(await client.code()).toBe(0);
    client.answer('JWT', tokenOf({ sub: 'bob' }), 0x19);
    expect(await client.disconnected()).toBe(0x82);
  });

  test('who came anonymously becomes nobody by AUTH', async () => {
    const client = hub.client('open');
    client.show({ clientId: `anon-${++count}` });
    expect(await client.code()).toBe(0);
    client.answer('JWT', tokenOf(), 0x19);
    expect(await client.disconnected()).toBe(0x82);
  });

  test('AUTH before CONNECT, CONNECT in the middle, and a PUBLISH before CONNACK end the connection', async () => {
    expect(await hub.answerTo('all', "f0 0a 18 08 15 0001 'M' 16 0001 'x'")).toBeNull();
    const method = `15 000d '${SCRAM}' 16 0020 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'`;
    const begin = `10 41 0004 'MQTT' 05 02 0000 33 ${method} 0001 'a'`;
    const anonymous = "10 0e 0004 'MQTT' 05 02 0000 00 0001 'a'";
    expect(await hub.answerTo('all', `${begin} ${anonymous}`)).toBe(0x82);
    expect(await hub.answerTo('open', `10 41 0004 'MQTT' 05 02 0000 33 ${method} 0001 'a'`)).toBe(
      0x8c,
    );
    expect(await hub.answerTo('all', `${begin} 30 04 0001 't' 00`)).toBe(0x82);
  });

  test('v3.1.1 has no AUTH', async () => {
    const client = hub.client('all', 4);
    client.show({ version: 4, clientId: 'v3', username: 'bob', password: FILE_PASSWORD });
    expect(await client.code()).toBe(0);
    client.write(hex('f0 00'));
    expect(await client.disconnected()).toBeNull();
  });
});

describe('bytes that no name or password may be', () => {
  test.each([
    [
      'a user name with a NUL',
      "10 18 0004 'MQTT' 05 c2 0000 00 0001 'a' 0004 'bob' 00 0002 'xy'",
      0x81,
    ],
    [
      'a user name that is not UTF-8',
      "10 16 0004 'MQTT' 05 c2 0000 00 0001 'a' 0003 'bo' ff 0001 'x'",
      0x81,
    ],
    [
      'a user name with half a character',
      "10 16 0004 'MQTT' 05 c2 0000 00 0001 'a' 0003 eda080 0001 'x'",
      0x81,
    ],
    [
      'a user name longer than the packet',
      "10 16 0004 'MQTT' 05 c2 0000 00 0001 'a' ffff 'bob' 0001 'x'",
      0x81,
    ],
    [
      'a password without its flag',
      "10 16 0004 'MQTT' 05 82 0000 00 0001 'a' 0003 'bob' 0001 'x'",
      0x81,
    ],
    ['data without a method', "10 12 0004 'MQTT' 05 02 0000 04 16 0001 'x' 0001 'a'", 0x82],
    ['a method twice', "10 16 0004 'MQTT' 05 02 0000 08 15 0001 'M' 15 0001 'M' 0001 'a'", 0x82],
  ] as const)('%s', async (_, bytes, expected) => {
    expect(await hub.answerTo('open', bytes)).toBe(expected);
  });

  test('a password without a user name, v3.1.1', async () => {
    const client = hub.client('open', 4);
    client.write(hex("10 10 0004 'MQTT' 04 42 0000 0001 'a' 0001 'x'"));
    expect(await client.code()).toBeNull();
  });
});

describe('a session', () => {
  const EXPIRES = { sessionExpiryInterval: 3_600 };
  const bob = { username: 'bob', password: FILE_PASSWORD, clientId: 'owned', properties: EXPIRES };
  const others: readonly [string, Door, Comer, number][] = [
    ['a user of the store', 'all', { username: 'ann', password: STORE_PASSWORD }, 0x85],
    ['the same by v3.1.1', 'all', { version: 4, username: 'ann', password: STORE_PASSWORD }, 2],
    ['a token', 'all', { password: tokenOf() }, 0x85],
    ['nobody', 'open', {}, 0x85],
    ['a certificate', 'secure', { certificate: 'dev' }, 0x85],
    ['a wrong password of its owner', 'all', { username: 'bob', password: 'guess-5' }, 0x86],
  ];

  async function expectHeld(): Promise<void> {
    for (const cleanStart of [true, false]) {
      for (const [name, door, shown, expected] of others) {
        const got = await hub.code(door, { ...shown, clientId: 'owned', cleanStart });
        expect([name, cleanStart, got]).toEqual([name, cleanStart, expected]);
      }
    }
  }

  test('belongs to whom it was made by: while he is there, while he is away, and after a restart', async () => {
    const owner = hub.client('all');
    owner.show(bob);
    expect(await owner.code()).toBe(0);
    await expectHeld();
    expect(owner.hasEnded).toBe(false);
    owner.destroy();
    await hub.server.line(/"clientId":"owned".*client disconnected/);
    await expectHeld();
    await hub.stop();
    await hub.start();
    await expectHeld();
    const again = hub.client('all');
    again.show({ ...bob, cleanStart: false });
    expect(await again.connack()).toMatchObject({ reasonCode: 0, sessionPresent: true });
    again.destroy();
  });

  test('with a client id that the server made up does so, too', async () => {
    const owner = hub.client('all');
    onTestFinished(() => owner.destroy());
    owner.show({ ...bob, clientId: '' });
    const { properties } = (await owner.connack()) ?? {};
    const clientId = properties?.assignedClientIdentifier ?? '';
    expect(clientId).toMatch(/^auto-[0-9a-f-]{36}$/);
    expect(await hub.code('all', { clientId, username: 'ann', password: STORE_PASSWORD })).toBe(
      0x85,
    );
    expect(await hub.code('open', { clientId })).toBe(0x85);
  });
});

describe('a user of the store that is changed by a command', () => {
  /** Connected by a password and by SCRAM. */
  async function connected(username: string): Promise<LoginClient[]> {
    const [plain, scram] = [hub.client('all'), hub.client('all')];
    plain.show({ clientId: `${username}-1`, username, password: STORE_PASSWORD });
    expect(await plain.code()).toBe(0);
    const exchange = new ScramClient(username, STORE_PASSWORD);
    scram.show({ clientId: `${username}-2`, method: 'SCRAM-SHA-256', data: exchange.first });
    const { properties } = (await scram.next(PacketType.Auth)) as AuthPacket;
    const serverFirst = Buffer.from(properties.authenticationData ?? []).toString();
    scram.answer('SCRAM-SHA-256', exchange.final(serverFirst));
    expect(await scram.code()).toBe(0);
    return [plain, scram];
  }

  test.each([
    ['disable', ''],
    ['passwd', 'another-password\n'],
    ['remove', ''],
  ])(
    '%s: its clients are ended with 0x87, however they came, and others stay',
    async (action, input) => {
      const username = `user-of-${action}`;
      await hub.addUser(username);
      const clients = await connected(username);
      const other = hub.client('all');
      other.show({ clientId: 'other', username: 'bob', password: FILE_PASSWORD });
      expect(await other.code()).toBe(0);
      const { exitCode, stderr } = await hub.users(input, action, username);
      expect(exitCode, stderr).toBe(0);
      for (const client of clients) expect(await client.disconnected()).toBe(0x87);
      expect(await hub.code('all', { username, password: STORE_PASSWORD })).toBe(0x86);
      expect(other.hasEnded).toBe(false);
    },
  );
});

test('of all that was shown nothing is in the log, at its most talkative, nor in what commands say', async () => {
  const { stdout, stderr } = await hub.users('', 'list', '--json');
  expect(stdout).toContain('ann');
  await hub.stop();
  const told = [...hub.lines, stdout, stderr].join('\n');
  expect(told).toContain('a CONNECT was refused');
  expect(told).toContain('"level":"debug"');
  for (const secret of [
    'another-password',
    FILE_PASSWORD,
    STORE_PASSWORD,
    SECRET,
    'guess-',
    '$7$',
  ]) {
    expect(told).not.toContain(secret);
  }
  // No part of any token: they all have this issuer, or begin like this.
  for (const part of ['eyJhbGciOi', encode('{"iss":"me"'), encode('"aud":"mqtt"').slice(0, 12)]) {
    expect(told).not.toContain(part);
  }
});
