// Clients of the load generator say who they are, and what comes of logins is counted exactly.

import { expect, onTestFinished, test, vi } from 'vitest';
import { ReasonCode } from '../../src/protocol/index.ts';
import { bench, benchModule, type Integrity, type Logins } from './bench.ts';
import { Doorkeeper, type Verdict } from './doorkeeper.ts';

/** Some start several servers, one after the other. */
vi.setConfig({ testTimeout: 60_000 });

async function doorkeeper(verdict: Verdict) {
  const server = new Doorkeeper(verdict);
  onTestFinished(() => server.close());
  const port = await server.listen();
  return { server, port };
}

function targetAt(port: number) {
  const trust = { ca: [], cert: null, key: null, isInsecure: false };
  return { protocol: 'mqtt', host: '127.0.0.1', port, path: '', trust, frames: 'message' };
}

test('--username and --password are in every CONNECT, with the number of the client', async () => {
  const { server, port } = await doorkeeper(() => ReasonCode.Success);
  const { exitCode, violations } = await bench(
    ...['connect', '-n', '3', '--url', `mqtt://127.0.0.1:${port}`, '--hold', '0', '--settle', '0'],
    ...['--username', 'u{i}', '--password', 'of {i}'],
  );
  expect([exitCode, violations]).toEqual([0, []]);
  const said = server.seen
    .filter(({ clientId }) => clientId !== 'is-it-up')
    .map(({ username, password }) => `${username} ${Buffer.from(password ?? []).toString()}`);
  expect(said.sort()).toEqual(['u0 of 0', 'u1 of 1', 'u2 of 2']);
});

test('a server that lets nobody in with them is an error', async () => {
  const { port } = await doorkeeper(() => ReasonCode.BadUserNameOrPassword);
  const url = ['--url', `mqtt://127.0.0.1:${port}`];
  const { exitCode, stderr } = await bench(
    ...['connect', '-n', '3', ...url, '--username', 'u', '--password', 'p'],
  );
  expect(stderr).toMatch(/lets a client in at .*\(CONNACK \d+ for is-it-up\).*--username/);
  expect(exitCode).toBe(1);
});

interface Scram {
  first(): Buffer;
  next(data: Uint8Array): Buffer;
  finish(data: Uint8Array): void;
}

/** RFC 7677 §3 */
const NONCE = 'rOprNGfwEbeRWgbNEkqO';
const SERVER_FIRST =
  'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096';
const SERVER_FINAL = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';

async function scram(): Promise<Scram> {
  const { ScramClient } = await benchModule('load/scram.mjs');
  const Client = ScramClient as new (username: string, password: string, nonce: string) => Scram;
  return new Client('user', 'pencil', NONCE);
}

test('SCRAM says what RFC 7677 has as its example', async () => {
  const client = await scram();
  expect(client.first().toString()).toBe(`n,,n=user,r=${NONCE}`);
  expect(client.next(Buffer.from(SERVER_FIRST)).toString()).toBe(
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  );
  client.finish(Buffer.from(SERVER_FINAL));
});

test('SCRAM does not believe a server that cannot prove that it knows the password', async () => {
  const client = await scram();
  expect(() => client.finish(Buffer.from(SERVER_FINAL))).toThrow('did not prove');
  client.next(Buffer.from(SERVER_FIRST));
  expect(() => client.finish(Buffer.from('v=AAAA'))).toThrow('did not prove');
  const other = await scram();
  const foreign = SERVER_FIRST.replace('r=r', 'r=R');
  expect(() => other.next(Buffer.from(foreign))).toThrow('the server said');
});

interface LoginSteps {
  startLogins(plan: object): Promise<void>;
  stopLogins(): Promise<Logins>;
}

test('logins are counted as they end: let in, refused by reason, without an answer', async () => {
  const verdicts: readonly (ReasonCode | null)[] = [
    ReasonCode.Success,
    ReasonCode.Success,
    ReasonCode.ServerBusy,
    ReasonCode.NotAuthorized,
    null,
  ];
  const count = 50;
  const { server, port } = await doorkeeper(({ username }) => verdicts[Number(username) % 5]);
  const { loginSteps } = (await benchModule('load/login-steps.mjs')) as { loginSteps: LoginSteps };
  const { nowMs } = (await benchModule('lib/monotonic.mjs')) as { nowMs(): number };
  await loginSteps.startLogins({
    ...targetAt(port),
    login: { kind: 'password', username: '{i}', password: 'p' },
    ...{ version: 5, prefix: 'c', index: 0, processes: 1, crowd: count, logins: 1_000 },
    startMs: nowMs(),
  });
  const answered = (count * 4) / 5;
  await vi.waitFor(
    () => expect([server.seen.length, server.left.length]).toEqual([count, answered]),
    50_000,
  );
  const { asked, done, refused, waiting, failures } = await loginSteps.stopLogins();
  expect({ asked, done, refused, waiting, failures }).toEqual({
    asked: count,
    done: 20,
    refused: { [ReasonCode.ServerBusy]: 10, [ReasonCode.NotAuthorized]: 10 },
    waiting: 10,
    failures: [],
  });
});

interface Fleet {
  stop(): void;
}

type RunLogin = (
  target: object,
  fleet: Fleet,
  options: object,
  contestant: object,
) => Promise<{ readonly integrity: Integrity }>;

test.each([
  ['password', { kind: 'password', username: 'u', password: 'p' }],
  ['token', { kind: 'tokens', tokens: ['a.b.cd'] }],
])('a server that lets everybody in is noticed by a wrong %s', async (_, login) => {
  const { port } = await doorkeeper(() => ReasonCode.Success);
  const { runLogin } = (await benchModule('load/logins.mjs')) as { runLogin: RunLogin };
  const { Fleet } = (await benchModule('load/fleet.mjs')) as {
    Fleet: new (processes: number) => Fleet;
  };
  const fleet = new Fleet(1);
  onTestFinished(() => fleet.stop());
  const target = { place: targetAt(port), pids: [], folder: null };
  const options = { n: 4, concurrency: 2, version: 5 };
  const contestant = { name: 'all', loginsOf: () => () => login };
  const { integrity } = await runLogin(target, fleet, options, contestant);
  expect(integrity.failures).toEqual([
    'a client was let in that does not know the password, or has no valid token',
  ]);
});

test('login: every way to say who one is, against the built server', async () => {
  const args = ['login', '-n', '6', '--rounds', '1', '--iterations', '10'];
  const { exitCode, stdout, results, violations } = await bench(...args);
  expect(violations).toEqual([]);
  expect(exitCode).toBe(0);
  expect(results).toHaveLength(5);
  expect(stdout).toMatch(/anonymous .* password, remembered .* JWT HS256 .* JWT ES256 .* SCRAM/);
});

test('login-storm: PUBACKs with and without logins, and what became of those', async () => {
  const load = '--logins 40 --rate 40 --duration 0.5 --warmup 0'.split(' ');
  const { exitCode, stdout, results, violations } = await bench(
    ...['login-storm', ...load, '--rounds', '1', '--iterations', '10'],
  );
  expect(violations).toEqual([]);
  expect(exitCode).toBe(0);
  const [quiet, ...storms] = results;
  expect(quiet.logins).toBeNull();
  expect(storms).toHaveLength(2);
  for (const { logins } of storms) {
    if (!logins) throw new Error('nobody logged in');
    const { asked, done, refused, waiting, failures } = logins;
    const refusals = Object.values(refused).reduce((sum, count) => sum + count, 0);
    expect([done + refusals + waiting, failures]).toEqual([asked, []]);
  }
  for (const { integrity } of results) {
    expect(integrity).toMatchObject({ sent: 20, received: 20, lost: [0, 0, 0], unanswered: 0 });
  }
  expect(stdout).toMatch(/÷ no logins/);
});
