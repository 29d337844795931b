// An endpoint that is asked who a client is, and hangs, lies or answers garbage, through a server that runs as people run it:
// nobody is let in by mistake, nobody else waits for it, and no password is in the log, whatever it says.

import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { PacketType } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { type Answer, HttpEndpointServer } from '../kit/http-endpoint.ts';
import { knock, LoginClient, type Shown } from '../kit/login-client.ts';
import { iothubFed, RunningServer } from './command.ts';

const PASSWORD = 'the-password-of-the-client';
const ALLOW = { json: { result: 'allow' } } as const;

let server: RunningServer;
let endpoint: HttpEndpointServer;
let port = 0;
let count = 0;

beforeAll(async () => {
  endpoint = await HttpEndpointServer.open();
  const folder = temporaryFolder();
  const passwd = path.join(folder, 'passwd');
  await iothubFed(`${PASSWORD}\n`, 'passwd', '-c', '-I', '1000', passwd, 'bob');
  const file = path.join(folder, 'iothub.toml');
  writeFileSync(
    file,
    `[[listeners]]
url = "mqtt://127.0.0.1:0"
anonymous = true
[[authenticators]]
type = "http"
url = "${endpoint.url}"
timeout = "1s"
concurrency = 1
queue_max = 1
cache_ttl = "0s"
circuit_failures = 1000
headers = { authorization = "Bearer the-secret-of-the-endpoint" }
[[authenticators]]
type = "password-file"
file = "passwd"
[penalties]
trusted = ["loopback"]
[log]
level = "debug"
`,
    { mode: 0o600 },
  );
  server = new RunningServer({ isPlaced: true }, '--config', file);
  port = await server.port();
}, 60_000);

afterAll(async () => {
  server.kill();
  await endpoint.close();
});

function dial(): net.Socket {
  const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** What becomes of somebody of whom the endpoint says that. */
async function answered(answer: Answer, shown: Shown = {}): Promise<number | null> {
  endpoint.respond = () => answer;
  const clientId = `c${++count}`;
  return await knock(dial(), { clientId, username: 'eve', password: PASSWORD, ...shown });
}

describe('what lets in', () => {
  test('is its clear word, and then it is who it says', async () => {
    expect(await answered({ json: { result: 'allow', username: 'other' } })).toBe(0);
    const line = (await server.line(new RegExp(`"clientId":"c${count}".*client connected`))).input;
    expect(JSON.parse(line)).toMatchObject({ username: 'other' });
  });

  test('is the next one, when it has no opinion', async () => {
    expect(await answered({ json: { result: 'ignore' } }, { username: 'bob' })).toBe(0);
    expect(await answered({ json: { result: 'ignore' } }, { username: 'eve' })).toBe(0x86);
  });
});

describe('what does not let in', () => {
  const json = (value: unknown): Answer => ({ json: value });
  const body = (text: string, status = 200): Answer => ({ status, body: text });
  const redirect = { status: 302, headers: { Location: '/allow' }, body: '{"result":"allow"}' };
  const noText = { body: Buffer.from('{"result":"allow","reason":"\xff"}', 'latin1') };
  const long = 'x'.repeat(10_000_000);

  test.each<[string, Answer, number]>([
    ['deny', json({ result: 'deny' }), 0x86],
    ['deny that repeats the password', json({ result: 'deny', reason: PASSWORD }), 0x86],
    ['another status with allow', body('{"result":"allow"}', 201), 0x88],
    ['no content', body('', 204), 0x88],
    ['a failure with allow', body('{"result":"allow"}', 500), 0x88],
    ['a redirect', redirect, 0x88],
    ['unauthorized', body('', 401), 0x88],
    ['nothing', body(''), 0x88],
    ['garbage', body('allow'), 0x88],
    ['garbage that repeats the password', body(`{"result":"${PASSWORD}"}`), 0x88],
    ['an HTML page', body('<html>ok</html>'), 0x88],
    ['the word alone', body('"allow"'), 0x88],
    ['true', json({ result: true }), 0x88],
    ['other letters', json({ result: 'ALLOW' }), 0x88],
    ['a list', json([{ result: 'allow' }]), 0x88],
    ['a field that it does not know', json({ result: 'allow', acl: [] }), 0x88],
    ['a user name that is a number', json({ result: 'allow', username: 7 }), 0x88],
    ['a user name with a NUL', json({ result: 'allow', username: 'a\0b' }), 0x88],
    ['permissions that are none', json({ result: 'allow', permissions: [{}] }), 0x88],
    ['an end that is over', json({ result: 'allow', expiresAt: 1 }), 0x88],
    ['bytes that are no text', noText, 0x88],
    ['ten megabytes', body(`{"result":"allow","reason":"${long}"}`), 0x88],
  ])('%s', async (_, answer, expected) => {
    expect(await answered(answer)).toBe(expected);
    // Not even who would be let in by the next one.
    expect(await answered(answer, { username: 'bob' })).toBe(expected);
    expect(await answered(answer, { version: 4 })).toBe(expected === 0x86 ? 4 : 3);
  });

  test('an answer that breaks off', async () => {
    endpoint.respond = () => {
      endpoint.dropConnections();
      return ALLOW;
    };
    expect(await knock(dial(), { username: 'bob', password: PASSWORD })).toBe(0x88);
  });
});

test('an endpoint that hangs refuses with 0x88, a full queue with 0x89, and nobody else notices', async () => {
  const waiting: (() => void)[] = [];
  endpoint.respond = () =>
    new Promise((resolve) => {
      waiting.push(() => resolve(ALLOW));
    });
  const nobody = LoginClient.on(dial());
  nobody.show({ clientId: 'nobody' }); // is not asked about
  expect(await nobody.code()).toBe(0);
  const clients = [0, 1, 2].map((i) => {
    const client = LoginClient.on(dial());
    client.show({ clientId: `h${i}`, username: 'bob', password: PASSWORD });
    return client;
  });
  const codes = await Promise.all(clients.map((client) => client.code()));
  nobody.send({ type: PacketType.Pingreq });
  await nobody.next(PacketType.Pingresp);
  expect(codes.every((code) => code === 0x88 || code === 0x89)).toBe(true);
  expect(codes).toContain(0x88);
  expect(codes).toContain(0x89);
  for (const resolve of waiting) resolve();
});

test('neither a password nor the secret of the endpoint is in the log', async () => {
  expect(endpoint.asked.at(-1)?.headers.authorization).toBe('Bearer the-secret-of-the-endpoint');
  server.child.kill('SIGTERM');
  await server.line(/Stopped/);
  const told = server.lines.join('\n');
  expect(told).toContain('the endpoint does not answer as it should');
  for (const secret of [PASSWORD, 'the-secret-of-the-endpoint']) expect(told).not.toContain(secret);
});
