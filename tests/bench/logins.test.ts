// Clients of the load generator say who they are.

import { expect, onTestFinished, test } from 'vitest';
import { ReasonCode } from '../../src/protocol/index.ts';
import { bench, benchModule } from './bench.ts';
import { Doorkeeper, type Verdict } from './doorkeeper.ts';

async function doorkeeper(verdict: Verdict) {
  const server = new Doorkeeper(verdict);
  onTestFinished(() => server.close());
  const port = await server.listen();
  return { server, port };
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
