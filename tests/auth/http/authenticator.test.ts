import { describe, expect, onTestFinished, test } from 'vitest';
import type { Decision, Refused } from '../../../src/auth/auth.ts';
import { HttpAuthenticator } from '../../../src/auth/http/authenticator.ts';
import type { HttpOptions } from '../../../src/auth/http/endpoint.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import { certificateOf, connectRequest, login } from '../../kit/connect-request.ts';
import {
  type Answer,
  deadUrl,
  HttpEndpointServer,
  type Respond,
  rawEndpoint,
} from '../../kit/http-endpoint.ts';
import { LogBook } from '../../kit/log-book.ts';
import { until } from '../../kit/until.ts';

function authenticatorAt(url: string, options: Partial<HttpOptions> = {}) {
  const clock = new FakeClock();
  const book = new LogBook();
  const authenticator = new HttpAuthenticator({
    ...{ name: 'hook', url, clock, logger: book },
    ...options,
  });
  onTestFinished(() => authenticator.close());
  return { authenticator, clock, book };
}

async function asking(answer: Respond | object, options: Partial<HttpOptions> = {}) {
  const respond: Respond =
    typeof answer === 'function' ? (answer as Respond) : () => ({ json: answer });
  const endpoint = await HttpEndpointServer.start(respond);
  return { endpoint, ...authenticatorAt(endpoint.url, options) };
}

const ACCEPTED = { reasonCode: ReasonCode.Success, username: 'ann' };
const FAILED = { reasonCode: ReasonCode.ServerUnavailable };

describe('a question', () => {
  test('says all that is known of the client', async () => {
    const { authenticator, endpoint } = await asking({ result: 'allow' });
    await authenticator.authenticate(
      connectRequest({
        clientId: 'dev-7',
        username: 'ann',
        password: new TextEncoder().encode('opensesame'),
        protocolVersion: 4,
        remoteAddress: '192.0.2.7',
        listener: 'mqtts://0.0.0.0:8883',
        transport: 'tls',
        certificate: certificateOf({ subject: 'CN=x', username: 'x', clientId: 'y' }),
      }),
    );
    expect(endpoint.lastBody).toEqual({
      question: 'authenticate',
      clientId: 'dev-7',
      username: 'ann',
      password: 'opensesame',
      passwordEncoding: 'utf8',
      protocolVersion: 4,
      remoteAddress: '192.0.2.7',
      listener: 'mqtts://0.0.0.0:8883',
      transport: 'tls',
      certificateSubject: 'CN=x',
      certificateUsername: 'x',
      certificateClientId: 'y',
    });
  });

  test.each([
    ['nothing', null, null, null],
    ['no bytes', '', '', 'utf8'],
    ['a text', 'c3a9', 'é', 'utf8'],
    ['a text with a byte order mark', 'efbbbf61', '\ufeffa', 'utf8'],
    ['a text with U+0000', '610062', 'a\0b', 'utf8'],
    ['bytes that are no text', 'ff00', '/wA=', 'base64'],
    ['a surrogate', 'eda080', '7aCA', 'base64'],
  ])('has a password of %s as it is', async (_, hex, password, passwordEncoding) => {
    const { authenticator, endpoint } = await asking({ result: 'allow' });
    const bytes = hex === null ? null : Uint8Array.from(Buffer.from(hex, 'hex'));
    await authenticator.authenticate(connectRequest({ password: bytes }));
    expect(endpoint.lastBody).toMatchObject({ password, passwordEncoding });
  });

  test('by GET has all of it in the query, behind what is there', async () => {
    const endpoint = await HttpEndpointServer.start();
    const { authenticator } = authenticatorAt(`${endpoint.url}?key=1`, { method: 'GET' });
    const request = connectRequest({
      clientId: 'a&b=c',
      username: 'é',
      certificate: certificateOf(),
    });
    expect(await authenticator.authenticate(request)).toMatchObject({ username: 'é' });
    const [{ method, url, body, headers }] = endpoint.asked;
    expect([method, body, headers['content-type'], headers['content-length']]).toEqual([
      ...['GET', ''],
      ...[undefined, undefined],
    ]);
    expect(url).toMatch(/^\/auth\?key=1&question=authenticate&clientId=a%26b%3Dc&/);
    expect(Object.fromEntries(new URL(url, endpoint.url).searchParams)).toEqual({
      key: '1',
      question: 'authenticate',
      clientId: 'a&b=c',
      username: 'é',
      protocolVersion: '5',
      remoteAddress: '127.0.0.1',
      listener: 'mqtt://127.0.0.1:1883',
      transport: 'tcp',
      certificateSubject: 'CN=sensor-1',
    });
  });

  test('by GET is not asked at all when there is a password', async () => {
    const endpoint = await HttpEndpointServer.start();
    const { authenticator, book } = authenticatorAt(endpoint.url, { method: 'GET' });
    expect(authenticator.authenticate(login('ann', 'opensesame'))).toBe('next');
    expect(authenticator.authenticate(login('ann', ''))).toBe('next');
    expect(endpoint.asked).toHaveLength(0);
    expect(book.infos).toMatchObject([{ message: expect.stringContaining('never carries') }]);
  });
});

describe('"allow"', () => {
  test('lets the client in as it says it is', async () => {
    const { authenticator } = await asking({ result: 'allow' });
    expect(await authenticator.authenticate(login('ann', 'x'))).toEqual(ACCEPTED);
    expect(await authenticator.authenticate(connectRequest())).toMatchObject({ username: null });
  });

  test('may say more of it', async () => {
    const permissions = [
      { effect: 'deny', actions: ['publish'], topicFilters: ['a/#'] },
      {
        effect: 'allow',
        actions: ['subscribe', 'receive'],
        topicFilters: ['%u/+', 'b'],
        qosMax: 1,
        retain: false,
      },
    ];
    const clock = new FakeClock();
    const { authenticator } = await asking(
      {
        result: 'allow',
        reason: 'a friend',
        username: 'bob',
        groups: ['g', 'h'],
        claims: { tenant: { id: 7 } },
        permissions,
        expiresAt: clock.wallNow() / 1_000 + 60,
      },
      { clock },
    );
    expect(await authenticator.authenticate(login('ann', 'x'))).toEqual({
      reasonCode: ReasonCode.Success,
      username: 'bob',
      groups: ['g', 'h'],
      claims: { tenant: { id: 7 } },
      permissions,
      expiresAtMs: clock.wallNow() + 60_000,
    });
  });

  test('may have null for what it does not say', async () => {
    const none = { username: null, groups: null, claims: null, permissions: null };
    const { authenticator } = await asking({ result: 'allow', ...none, expiresAt: null });
    expect(await authenticator.authenticate(login('ann', 'x'))).toEqual(ACCEPTED);
  });

  test.each([
    ['another field', { expires_at: 1 }, 'unknown fields'],
    ['a user name that is none', { username: 7 }, 'the username is 7'],
    ['a user name with U+0000', { username: 'a\0' }, 'the username holds U+0000'],
    ['groups that are none', { groups: 'g' }, 'groups is a string'],
    ['a group that is none', { groups: [['g']] }, 'one of groups is a list'],
    ['claims that are none', { claims: [] }, 'not an object of claims'],
    ['permissions that are none', { permissions: {} }, 'permissions is no list'],
    ['a permission that is none', { permissions: ['a/#'] }, 'permissions[0] is no object'],
    [
      'a permission with another field',
      { permissions: [{ effect: 'allow', actions: ['publish'], topicFilters: ['a'], qos_max: 0 }] },
      'permissions[0] has a field that is not known',
    ],
    ['another effect', { permissions: [{ effect: 'Allow' }] }, 'permissions[0].effect must be'],
    [
      'no actions',
      { permissions: [{ effect: 'allow', actions: [], topicFilters: ['a'] }] },
      'permissions[0].actions must be a list of publish, subscribe, receive',
    ],
    [
      'another action',
      { permissions: [{ effect: 'allow', actions: ['connect'], topicFilters: ['a'] }] },
      'permissions[0].actions must be',
    ],
    [
      'no filters',
      { permissions: [{ effect: 'allow', actions: ['publish'], topicFilters: [] }] },
      'permissions[0].topicFilters must be a list',
    ],
    [
      'a filter that is none',
      { permissions: [{ effect: 'allow', actions: ['publish'], topicFilters: ['a#'] }] },
      'permissions[0].topicFilters has one that is not valid',
    ],
    [
      'a shared filter',
      { permissions: [{ effect: 'allow', actions: ['publish'], topicFilters: ['$share/g/a'] }] },
      'permissions[0].topicFilters has one with $share',
    ],
    [
      'another QoS',
      { permissions: [{ effect: 'allow', actions: ['publish'], topicFilters: ['a'], qosMax: 3 }] },
      'permissions[0].qosMax must be 0, 1 or 2',
    ],
    [
      'another retain',
      {
        permissions: [{ effect: 'allow', actions: ['publish'], topicFilters: ['a'], retain: 'no' }],
      },
      'permissions[0].retain must be true or false',
    ],
    ['an end that is a text', { expiresAt: '2030-01-01' }, 'not a number of seconds'],
    ['an end before 1970', { expiresAt: -1 }, 'not a number of seconds'],
    ['an end in milliseconds', { expiresAt: 1_700_000_000_000 }, 'seems to be in milliseconds'],
    ['an end that is over', { expiresAt: 1_600_000_000 }, 'its expiresAt is over already'],
    ['an end right now', { expiresAt: 1_700_000_000 }, 'its expiresAt is over already'],
  ])('with %s lets nobody in', async (_, fields, sentence) => {
    const { authenticator, book } = await asking({ result: 'allow', ...fields });
    const decision = await authenticator.authenticate(login('ann', 'x'));
    expect(decision).toMatchObject({ ...FAILED, detail: expect.stringContaining(sentence) });
    expect(book.lines).toMatchObject([{ level: 'warn', fields: { name: 'hook' } }]);
  });
});

describe('anything else', () => {
  test('"deny" refuses; the reason is for the log, not for the client', async () => {
    const { authenticator } = await asking({ result: 'deny', reason: 'ann has left' });
    const refused = { reasonCode: ReasonCode.BadUserNameOrPassword, detail: 'ann has left' };
    expect(await authenticator.authenticate(login('ann', 'x'))).toEqual(refused);
    expect(await authenticator.authenticate(connectRequest())).toMatchObject({
      reasonCode: ReasonCode.NotAuthorized,
    });
  });

  test('a reason that repeats the password is not shown', async () => {
    const { authenticator } = await asking(({ body }) => ({
      json: { result: 'deny', reason: `you sent ${body}` },
    }));
    const decision = await authenticator.authenticate(login('ann', 'opensesame'));
    expect(decision).toMatchObject({ reasonCode: ReasonCode.BadUserNameOrPassword });
    expect(JSON.stringify(decision)).not.toContain('opensesame');
  });

  test('"ignore" asks the next', async () => {
    const { authenticator } = await asking({ result: 'ignore' });
    expect(await authenticator.authenticate(login('ann', 'x'))).toBe('next');
  });

  const json = (value: unknown): Answer => ({ json: value });

  test.each<[string, Answer]>([
    ['status 201', { status: 201, body: '{"result":"allow"}' }],
    ['status 204', { status: 204 }],
    ['status 302', { status: 302, headers: { Location: '/' }, body: '{"result":"allow"}' }],
    ['status 401', { status: 401, body: '{"result":"allow"}' }],
    ['status 500', { status: 500, body: '{"result":"allow"}' }],
    ['an empty body', { body: '' }],
    ['HTML', { body: '<html>allow</html>' }],
    ['a word', { body: 'allow' }],
    ['half of it', { body: '{"result":"allow"' }],
    ['more than it', { body: '{"result":"allow"}{"result":"allow"}' }],
    ['no UTF-8', { body: Buffer.from('{"result":"allow","reason":"\xff"}', 'latin1') }],
    ['UTF-16', { body: Buffer.from('{"result":"allow"}', 'utf16le') }],
    ['a compressed body', { body: Buffer.from('1f8b0800', 'hex') }],
    ['null', json(null)],
    ['true', json(true)],
    ['"allow"', json('allow')],
    ['a list', json([{ result: 'allow' }])],
    ['an empty object', json({})],
    ['another word', json({ result: 'accept' })],
    ['another spelling', json({ result: 'Allow' })],
    ['a result of true', json({ result: true })],
    ['a result in a list', json({ result: ['allow'] })],
    ['a result of its own making', json({ result: { toString: 'allow' } })],
    ['a reason that is none', json({ result: 'allow', reason: {} })],
    ['a denial with an end', json({ result: 'deny', expiresAt: 4_000_000_000 })],
    ['a denial of another field', json({ result: 'deny', allow: true })],
    ['a prototype', { body: '{"__proto__":{"result":"allow"}}' }],
    ['a hundred thousand brackets', { body: '['.repeat(60_000) }],
    ['too much', { body: `{"result":"allow","reason":"${'x'.repeat(70_000)}"}` }],
  ])('refuses with 0x88 and is said: %s', async (_, answer) => {
    const { authenticator, book } = await asking(() => answer);
    const decision = await authenticator.authenticate(login('ann', 'opensesame'));
    expect(decision).toMatchObject(FAILED);
    expect((decision as Refused).reasonString).toBeUndefined();
    expect((decision as Refused).detail).toMatch(/^hook \(http:\/\/127.0.0.1:\d+\/auth\): \S/);
    expect(JSON.stringify([decision, book.lines])).not.toContain('opensesame');
    expect(book.lines).toMatchObject([{ level: 'warn', fields: { name: 'hook' } }]);
  });

  test('an endpoint that is down, hangs or resets refuses with 0x88', async () => {
    const dead = authenticatorAt(await deadUrl()).authenticator;
    expect(await dead.authenticate(login('ann', 'x'))).toMatchObject(FAILED);
    const reset = authenticatorAt(await rawEndpoint((socket) => void socket.resetAndDestroy()));
    expect(await reset.authenticator.authenticate(login('ann', 'x'))).toMatchObject(FAILED);
    const { authenticator, endpoint, clock } = await asking(() => new Promise(() => {}));
    const decision = authenticator.authenticate(login('ann', 'x'));
    await until(() => endpoint.asked.length === 1);
    clock.advance(5_000);
    expect(await decision).toMatchObject(FAILED);
  });

  test('a circuit that is open refuses with 0x88, a full queue with 0x89', async () => {
    const failing = await asking(() => ({ status: 500 }), { circuitFailures: 1 });
    for (let i = 0; i < 3; i++) {
      expect(await failing.authenticator.authenticate(login('ann', 'x'))).toMatchObject(FAILED);
    }
    expect(failing.endpoint.asked).toHaveLength(1);
    const { authenticator } = await asking(() => new Promise(() => {}), {
      ...{ concurrency: 1, queueMax: 1 },
    });
    void authenticator.authenticate(login('ann', '1'));
    void authenticator.authenticate(login('ann', '2'));
    expect(await authenticator.authenticate(login('ann', '3'))).toMatchObject({
      reasonCode: ReasonCode.ServerBusy,
    });
  });

  test('a client that has gone is not asked for', async () => {
    const { authenticator, endpoint } = await asking(() => new Promise(() => {}), {
      concurrency: 1,
      queueMax: 1,
    });
    void authenticator.authenticate(login('ann', '1'));
    const gone = authenticator.authenticate({ ...login('ann', '2'), isGone: true });
    void authenticator.authenticate(login('ann', '3'));
    expect(await gone).toMatchObject(FAILED);
    await until(() => endpoint.asked.length === 1);
    expect(endpoint.asked[0].body).toContain('"password":"1"');
  });

  test('closing refuses', async () => {
    const { authenticator } = await asking({ result: 'allow' });
    await authenticator.authenticate(login('ann', 'x'));
    authenticator.close();
    authenticator.close();
    expect(await authenticator.authenticate(login('ann', 'x'))).toMatchObject(FAILED);
  });
});

describe('what was answered', () => {
  test('is remembered, and is there at once', async () => {
    const { authenticator, endpoint, clock } = await asking({ result: 'allow' });
    await authenticator.authenticate(login('ann', 'x'));
    expect(authenticator.authenticate(login('ann', 'x'))).toEqual(ACCEPTED);
    clock.advance(59_999);
    expect(authenticator.authenticate(login('ann', 'x'))).toEqual(ACCEPTED);
    clock.advance(1);
    await authenticator.authenticate(login('ann', 'x'));
    expect(endpoint.asked).toHaveLength(2);
  });

  test.each([
    ['the client id', { clientId: 'd' }],
    ['the user name', { username: 'bob' }],
    ['no user name', { username: null }],
    ['the password', { password: Uint8Array.of(0x79) }],
    ['no password', { password: null }],
    ['an empty password', { password: new Uint8Array(0) }],
    ['a password that is the base64 of it', { password: Uint8Array.of(0xff) }],
    ['the version', { protocolVersion: 4 as const }],
    ['the address', { remoteAddress: '127.0.0.2' }],
    ['the listener', { listener: 'mqtt://127.0.0.1:1884' }],
    ['the transport', { transport: 'tls' }],
    ['a certificate', { certificate: certificateOf() }],
  ])('is no answer for another one, who differs by %s', async (_, fields) => {
    const { authenticator, endpoint } = await asking(({ body }) => ({
      json: { result: endpoint.asked[0].body === body ? 'allow' : 'deny' },
    }));
    await authenticator.authenticate(login('ann', 'x'));
    const decision: Decision = await authenticator.authenticate({
      ...login('ann', 'x'),
      ...fields,
    });
    expect((decision as Refused).reasonCode).toBeGreaterThanOrEqual(0x80);
    expect(endpoint.asked).toHaveLength(2);
  });

  test.each([
    ['deny', 10_000],
    ['ignore', 10_000],
  ])('is remembered shorter when it is "%s"', async (result, countsMs) => {
    const { authenticator, endpoint, clock } = await asking({ result });
    await authenticator.authenticate(login('ann', 'x'));
    clock.advance(countsMs - 1);
    await authenticator.authenticate(login('ann', 'x'));
    expect(endpoint.asked).toHaveLength(1);
    clock.advance(1);
    await authenticator.authenticate(login('ann', 'x'));
    expect(endpoint.asked).toHaveLength(2);
  });

  test('is never remembered when it was none', async () => {
    const { authenticator, endpoint } = await asking({ result: 'perhaps' });
    await authenticator.authenticate(login('ann', 'x'));
    endpoint.respond = () => ({ json: { result: 'allow' } });
    expect(await authenticator.authenticate(login('ann', 'x'))).toEqual(ACCEPTED);
  });

  test('is not remembered beyond its own end', async () => {
    const clock = new FakeClock();
    const expiresAt = clock.wallNow() / 1_000 + 5;
    const { authenticator, endpoint } = await asking({ result: 'allow', expiresAt }, { clock });
    await authenticator.authenticate(login('ann', 'x'));
    clock.advance(4_999);
    expect(authenticator.authenticate(login('ann', 'x'))).toMatchObject(ACCEPTED);
    clock.advance(1);
    expect(await authenticator.authenticate(login('ann', 'x'))).toMatchObject(FAILED);
    expect(endpoint.asked).toHaveLength(2);
  });

  test('is not remembered when it is large, or when nothing is to be', async () => {
    const large = { result: 'allow', claims: { x: 'x'.repeat(5_000) } };
    for (const [answer, options] of [
      [large, {}],
      [{ result: 'allow' }, { cacheTtlMs: 0 }],
    ] as const) {
      const { authenticator, endpoint } = await asking(answer, options);
      for (let i = 0; i < 3; i++) await authenticator.authenticate(login('ann', 'x'));
      expect(endpoint.asked).toHaveLength(3);
    }
  });
});

test('with a file of authorities it is loaded, and what is wrong is an AccessError', async () => {
  const options = { name: 'hook', url: 'https://127.0.0.1/' };
  const missing = HttpAuthenticator.load(options, '/does/not/exist.pem');
  await expect(missing).rejects.toThrow('/does/not/exist.pem: cannot be read: ENOENT');
  const plain = HttpAuthenticator.load({ name: 'hook', url: 'http://auth.example/' });
  await expect(plain).rejects.toMatchObject({ name: 'AccessError' });
  (await HttpAuthenticator.load(options)).close();
});
