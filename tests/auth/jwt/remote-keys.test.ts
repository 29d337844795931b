// Keys from an endpoint: rotation, and endpoints that hang, lie, redirect, or answer what nobody asked for. Whatever they do, the
// last good keys stay.

import { generateKeyPairSync } from 'node:crypto';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { JwtAuthenticator } from '../../../src/auth/jwt/authenticator.ts';
import { loadJwtKeys } from '../../../src/auth/jwt/keys.ts';
import type { KeySetReport, LoadJwtKeysOptions } from '../../../src/auth/jwt/load-keys.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import { LogBook } from '../../kit/log-book.ts';
import { until } from '../../kit/until.ts';
import {
  answering,
  authenticator,
  EC,
  expectAccepted,
  expectRefused,
  jwkOf,
  KeyEndpoint,
  login,
  RSA,
  SECRET,
  serving,
  token,
} from './kit.ts';

const ALGORITHMS = ['RS256', 'ES256'];
const COOL_DOWN_MS = 30_000;
const REFRESH_MS = 600_000;

const OLD = await jwkOf(RSA.publicKey, { kid: 'old' });
const NEW = await jwkOf(EC.publicKey, { kid: 'new' });
const oldToken = () => token({}, { alg: 'RS256', kid: 'old' }, RSA.privateKey);
const newToken = () => token({}, { alg: 'ES256', kid: 'new' }, EC.privateKey);

interface Remote {
  readonly clock: FakeClock;
  readonly endpoint: KeyEndpoint;
  readonly reports: KeySetReport[];
  readonly made: JwtAuthenticator;
}

async function remote(
  handler = serving(OLD),
  load: Partial<LoadJwtKeysOptions> = {},
): Promise<Remote> {
  const clock = new FakeClock();
  const endpoint = await KeyEndpoint.start(handler);
  const reports: KeySetReport[] = [];
  const onReport = (report: KeySetReport) => void reports.push(report);
  const keys = [{ algorithms: ALGORITHMS, url: endpoint.url }];
  const made = await authenticator({}, keys, { clock, load: { onReport, ...load } });
  return { clock, endpoint, reports, made };
}

test('keys are there at once, and fetched again every ten minutes', async () => {
  const { clock, endpoint, made } = await remote();
  expect(endpoint.requests).toBe(1);
  await expectAccepted(made, await oldToken());
  endpoint.handler = serving(OLD, NEW);
  clock.advance(REFRESH_MS - 7_500);
  expect(endpoint.requests).toBe(1);
  clock.advance(7_500);
  await until(() => endpoint.requests === 2);
  await expectAccepted(made, await newToken());
  expect(endpoint.requests).toBe(2);
});

test('a token with the name of an unknown key has the keys fetched, and gets in with a new one', async () => {
  const { clock, endpoint, made } = await remote();
  endpoint.handler = serving(OLD, NEW);
  clock.advance(COOL_DOWN_MS);
  const logins = await Promise.all(
    [await newToken(), await newToken(), await oldToken()].map((text) => login(made, text)),
  );
  expect(logins).toMatchObject([{ username: 'u' }, { username: 'u' }, { username: 'u' }]);
  expect(endpoint.requests).toBe(2);
});

test('a key that is not published any more is good for nothing, also for tokens that were accepted', async () => {
  const { clock, endpoint, made } = await remote();
  const text = await oldToken();
  await expectAccepted(made, text);
  const { verifications } = made;
  await expectAccepted(made, text);
  expect(made.verifications).toBe(verifications);
  endpoint.handler = serving(NEW);
  clock.advance(REFRESH_MS);
  await until(() => endpoint.requests === 2);
  await expectAccepted(made, await newToken());
  await expectRefused(made, text, 0x86, 'there is no key for the token (RS256, the kid "old")');
});

test('made-up names have the keys fetched once in 30 s', async () => {
  const { clock, endpoint, made } = await remote();
  const forged = (i: number) => token({}, { alg: 'RS256', kid: `x${i}` }, RSA.privateKey);
  for (let i = 0; i < 20; i++) await expectRefused(made, await forged(i), 0x86, 'no key');
  expect(endpoint.requests).toBe(1);
  clock.advance(COOL_DOWN_MS);
  await until(() => endpoint.requests === 2);
  for (let i = 0; i < 20; i++) await expectRefused(made, await forged(i), 0x86, 'no key');
  expect(endpoint.requests).toBe(2);
});

test('a token with a new key is remembered like any other', async () => {
  const { clock, endpoint, made } = await remote();
  endpoint.handler = serving(OLD, NEW);
  clock.advance(COOL_DOWN_MS);
  const text = await newToken();
  await expectAccepted(made, text);
  await expectAccepted(made, text);
  expect(made.verifications).toBe(1);
});

test('a token whose key goes while its signature is checked is not remembered', async () => {
  const { clock, endpoint, made } = await remote();
  let goOn: () => void = () => {};
  const verify = crypto.subtle.verify.bind(crypto.subtle);
  const spy = vi.spyOn(crypto.subtle, 'verify').mockImplementationOnce(async (...args) => {
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    return await verify(...args);
  });
  onTestFinished(() => spy.mockRestore());
  const text = await oldToken();
  const checking = login(made, text);
  await until(() => spy.mock.calls.length === 1);
  endpoint.handler = serving(NEW);
  clock.advance(COOL_DOWN_MS);
  await expectAccepted(made, await newToken());
  goOn();
  expect(await checking).toMatchObject({ reasonCode: 0 }); // it was good when it came
  await expectRefused(made, text, 0x86, 'there is no key');
});

test('what was asked for too soon is fetched when its time has come', async () => {
  const { clock, endpoint, made } = await remote();
  endpoint.handler = serving(OLD, NEW);
  await expectRefused(made, await newToken(), 0x86, 'there is no key');
  clock.advance(COOL_DOWN_MS - 1);
  expect(endpoint.requests).toBe(1);
  clock.advance(1);
  await until(() => endpoint.requests === 2);
  await expectAccepted(made, await newToken());
});

test('a wrong signature by a known key has nothing fetched', async () => {
  const { clock, endpoint, made } = await remote();
  clock.advance(COOL_DOWN_MS);
  const other = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const forged = await token({}, { alg: 'RS256', kid: 'old' }, other.privateKey);
  await expectRefused(made, forged, 0x86, 'signature');
  await expectRefused(made, await token({}, { kid: 'x' }), 0x86, 'no key is for the algorithm');
  expect(endpoint.requests).toBe(1);
});

const LONG = `{"keys":[],"x":"${'x'.repeat(10_000_000)}"}`;

const FAULTS: [string, KeyEndpoint['handler'], string][] = [
  ['answers 500', answering('oops', 500), 'it answered with the status 500'],
  ['answers 204', answering('', 204), 'it answered with the status 204'],
  [
    'redirects',
    answering('', 302, { location: 'http://127.0.0.1:1/keys' }),
    'the status 302; redirects are not followed',
  ],
  ['answers HTML', answering('<html>'), 'its answer is not JSON'],
  ['answers nothing', answering(''), 'its answer is not JSON'],
  ['answers bytes', answering('\ud800'), 'its answer is not JSON'],
  ['answers a list', answering('[]'), 'neither a JWK nor a JWKS'],
  ['answers null', answering('null'), 'neither a JWK nor a JWKS'],
  ['answers keys that are none', answering('{"keys":{"a":1}}'), 'neither a JWK nor a JWKS'],
  ['answers an empty set', answering('{"keys":[]}'), 'its answer has no key for RS256, ES256'],
  [
    'answers broken keys',
    answering('{"keys":[7,{"kty":"RSA","n":"?"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}'),
    'no key for RS256, ES256 (key 1 in it: it is no JWK',
  ],
  ['answers 101 keys', answering(`{"keys":[${'{},'.repeat(100)}{}]}`), 'has 101 keys'],
  [
    'answers the members of a set twice',
    answering('{"keys":[],"keys":[]}'),
    'its answer has a name twice',
  ],
  ['answers ten megabytes', answering(LONG), 'its answer is longer than 262144 bytes'],
  [
    'answers without end',
    (response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', more);
      };
      more();
    },
    'its answer is longer than 262144 bytes',
  ],
  ['hangs up', (response) => response.destroy(), 'it cannot be reached: '],
  [
    'hangs up in the middle',
    (response) => {
      response.writeHead(200, { 'content-length': '99' });
      response.write('{"keys":', () => response.destroy());
    },
    '',
  ],
];

test.each(FAULTS)('an endpoint that %s changes nothing', async (_, handler, problem) => {
  const { clock, endpoint, made, reports } = await remote();
  endpoint.handler = handler;
  clock.advance(REFRESH_MS);
  await until(() => reports.length === 1);
  expect(reports[0]).toMatchObject({ authenticator: 'jwt', url: endpoint.url, keys: 1 });
  expect(reports[0].problem).toContain(problem);
  expect(reports[0].problem?.length).toBeLessThan(600);
  await expectAccepted(made, await oldToken());
  // Somebody who may be right cannot be told that he is wrong.
  await expectRefused(made, await newToken(), 0x88, `no keys from ${endpoint.url}: `);
  endpoint.handler = serving(OLD, NEW);
  clock.advance(COOL_DOWN_MS);
  await until(() => reports.length === 2);
  expect(reports[1]).toMatchObject({ problem: null, keys: 2 });
  await expectAccepted(made, await newToken());
});

test.each<[string, KeyEndpoint['handler']]>([
  ['says nothing', () => {}],
  ['stops in the middle', (response) => void response.writeHead(200).write('{"keys":')],
])('an endpoint that %s is given 5 s; who waits for it is told then', async (_, handler) => {
  const { clock, endpoint, made, reports } = await remote();
  endpoint.handler = handler;
  clock.advance(COOL_DOWN_MS);
  const waiting = login(made, await newToken());
  await until(() => endpoint.requests === 2);
  clock.advance(4_999);
  expect(reports).toEqual([]);
  await expectAccepted(made, await oldToken());
  clock.advance(1);
  expect(await waiting).toMatchObject({ reasonCode: 0x88 });
  expect(reports).toMatchObject([{ problem: 'it did not answer within 5000 ms' }]);
});

test('a failure out of turn is tried again after 30 s, too', async () => {
  const { clock, endpoint, made, reports } = await remote();
  endpoint.handler = answering('', 500);
  clock.advance(COOL_DOWN_MS);
  await expectRefused(made, await newToken(), 0x88, 'status 500');
  endpoint.handler = serving(OLD, NEW);
  clock.advance(COOL_DOWN_MS);
  await until(() => reports.length === 2);
  expect(endpoint.requests).toBe(3);
});

test('a failure is tried again after 30 s, not after ten minutes', async () => {
  const { clock, endpoint, reports } = await remote();
  endpoint.handler = answering('', 500);
  clock.advance(REFRESH_MS);
  await until(() => reports.length === 1);
  clock.advance(COOL_DOWN_MS - 1);
  expect(endpoint.requests).toBe(2);
  clock.advance(1);
  await until(() => reports.length === 2);
  expect(endpoint.requests).toBe(3);
});

test('without an endpoint at start, tokens are refused with 0x88 until it is there', async () => {
  const { clock, endpoint, made, reports } = await remote(answering('', 503));
  expect(reports).toMatchObject([{ keys: 0, problem: 'it answered with the status 503' }]);
  const { reasonString } = await expectRefused(made, await oldToken(), 0x88, 'status 503');
  expect(reasonString).toBe('tokens cannot be checked at the moment');
  endpoint.handler = serving(OLD);
  clock.advance(COOL_DOWN_MS);
  await until(() => reports.length === 2);
  await expectAccepted(made, await oldToken());
});

test('an endpoint that nobody serves', async () => {
  const reports: KeySetReport[] = [];
  const keys = [{ algorithms: ALGORITHMS, url: 'http://127.0.0.1:1/keys?token=secret' }];
  const onReport = (report: KeySetReport) => void reports.push(report);
  const made = await authenticator({}, keys, { load: { onReport } });
  expect(reports).toMatchObject([{ url: 'http://127.0.0.1:1/keys', keys: 0 }]);
  await expectRefused(made, await oldToken(), 0x88, 'no keys from http://127.0.0.1:1/keys: it ');
});

test('without keys from afar, those that are here work on', async () => {
  const keys = [
    { algorithms: ALGORITHMS, url: 'http://127.0.0.1:1/keys' },
    { id: 'here', algorithms: ['HS256'], secret: SECRET },
  ];
  const made = await authenticator({}, keys);
  await expectAccepted(made, await token());
  await expectRefused(made, await token({}, { kid: 'x' }), 0x86, 'no key for the token');
});

test('the log is told when nobody else is', async () => {
  const logger = new LogBook();
  const { clock, endpoint, made } = await remote(serving(OLD), { logger, onReport: undefined });
  endpoint.handler = answering('', 500);
  for (let i = 0; i < 3; i++) {
    clock.advance(i === 0 ? REFRESH_MS : COOL_DOWN_MS);
    await expectRefused(made, await newToken(), 0x88, 'status 500'); // once that fetch has failed
    expect(endpoint.requests).toBe(i + 2);
  }
  endpoint.handler = serving(NEW);
  clock.advance(COOL_DOWN_MS);
  await until(() => logger.lines.length === 4);
  expect(logger.lines).toMatchObject([
    { level: 'info', message: 'new keys for tokens', fields: { keys: ['old'] } },
    { level: 'warn', message: expect.stringContaining('cannot be fetched') },
    { level: 'info', message: 'new keys for tokens', fields: { keys: ['new'] } },
    { level: 'info', message: expect.stringContaining('can be fetched again') },
  ]);
});

test('what was fetched before a reload stays, though the endpoint is down at the reload', async () => {
  const clock = new FakeClock();
  const endpoint = await KeyEndpoint.start(serving(OLD));
  const keys = [{ algorithms: ALGORITHMS, url: endpoint.url }];
  const former = await loadJwtKeys({ name: 'jwt', keys, clock });
  onTestFinished(() => former.close());
  endpoint.handler = answering('', 503);
  const made = await authenticator({}, keys, { clock, former });
  await expectAccepted(made, await oldToken());
  const less = await authenticator({}, [{ ...keys[0], algorithms: ['RS256'] }], { clock, former });
  await expectRefused(less, await oldToken(), 0x88, 'status 503');
});

test('a closed one fetches nothing any more, not even what it was fetching', async () => {
  const { clock, endpoint, made, reports } = await remote();
  endpoint.handler = () => {};
  clock.advance(COOL_DOWN_MS);
  const waiting = login(made, await newToken());
  await until(() => endpoint.requests === 2);
  made.close();
  expect(await waiting).toMatchObject({ reasonCode: 0x86 });
  clock.advance(REFRESH_MS * 2);
  await expectRefused(made, await newToken(), 0x86, 'there is no key');
  expect(endpoint.requests).toBe(2);
  expect(reports).toEqual([]);
});
