// The admin API of a server that runs by the command: its port, its first token, `iothub token` and `iothub healthcheck`.

import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net, { type AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { familyOf, samplesOf } from '../kit/metrics.ts';
import { Authority, fromNow } from '../support/certificates.ts';
import { iothub, RunningServer } from './command.ts';
import { inProcess } from './in-process.ts';

const ANYWHERE = ['--admin', 'http://127.0.0.1:0'];

/** A server with an admin API, on a data folder. */
class Hub {
  readonly data = path.join(temporaryFolder(), 'data');
  readonly #args: readonly string[];
  url = '';

  constructor(...args: string[]) {
    this.#args = args.length === 0 ? ANYWHERE : args;
  }

  async start(): Promise<RunningServer> {
    const server = new RunningServer('--data', this.data, ...this.#args);
    onTestFinished(() => server.kill());
    [, this.url] = await server.line(/"url":"(https?:[^"]+)","msg":"the admin API is on/);
    await server.line(/serves MQTT/);
    await server.line(/"Try: /);
    return server;
  }

  get token(): string {
    return readFileSync(path.join(this.data, 'admin.token'), 'utf8').trim();
  }

  async status(route: string, token?: string, method = 'GET'): Promise<number> {
    const headers = new Headers();
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const response = await fetch(`${this.url}${route}`, { method, headers });
    await response.arrayBuffer();
    return response.status;
  }

  async metric(name: string): Promise<Record<string, number>> {
    const socketPath = path.join(this.data, 'control.sock');
    const request = http.get({ socketPath, path: '/metrics', agent: false });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    let text = '';
    for await (const chunk of response) text += chunk;
    return familyOf(samplesOf(text), name);
  }

  run(...args: string[]) {
    return inProcess(...args, '--data', this.data);
  }
}

async function stop(server: RunningServer): Promise<void> {
  server.child.kill('SIGTERM');
  expect(await server.exit).toBe(0);
}

/** A port that is taken for as long as the test runs. */
async function takenPort(): Promise<number> {
  const holder = net.createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  onTestFinished(() => void holder.close());
  return (holder.address() as AddressInfo).port;
}

describe('a port of the admin API that is taken', () => {
  test('ends the start with 69 and a sentence, and nothing is left open', async () => {
    const url = `http://127.0.0.1:${await takenPort()}`;
    const data = path.join(temporaryFolder(), 'data');
    const args = ['--port', '0', '--data', data, '--log-level', 'silent'];
    const { exitCode, stderr } = await iothub(...args, '--admin', url);
    expect([exitCode, stderr]).toEqual([
      69,
      `The admin API cannot listen on ${url}: a program listens on that port already, perhaps another server of this kind. Choose another port with --admin http://127.0.0.1:PORT (url of [admin]), or switch it off with --no-admin.\n`,
    ]);
    const hub = new RunningServer('--data', data); // the folder is free
    onTestFinished(() => hub.kill());
    await hub.port();
  });

  test('does not matter to a server without one', async () => {
    const server = new RunningServer('--no-admin');
    onTestFinished(() => server.kill());
    await server.port();
    expect(server.lines.join('\n')).not.toContain('admin API is on');
    await stop(server);
  });

  test('is no certificate: that ends the start with 78', async () => {
    const folder = temporaryFolder();
    writeFileSync(path.join(folder, 'x.pem'), 'no certificate');
    const config = path.join(folder, 'f.toml');
    const tls = '[admin.tls]\ncert = "x.pem"\nkey = "x.pem"\n';
    writeFileSync(config, `[admin]\nurl = "https://127.0.0.1:0"\n${tls}`);
    const place = ['--port', '0', '--admin', 'https://127.0.0.1:0', '--log-level', 'silent'];
    const { exitCode, stderr } = await iothub('--config', config, '--store', 'memory', ...place);
    expect(stderr).toContain('are no certificate and key that belong together');
    expect(exitCode).toBe(78);
  });
});

test('the first start writes a token, by which the API is asked; commands end it', async () => {
  const hub = new Hub();
  const server = await hub.start();
  const first = hub.token;
  expect(statSync(path.join(hub.data, 'admin.token')).mode & 0o777).toBe(0o600);
  expect(await hub.status('/api/v1/users')).toBe(401);
  expect(await hub.status('/api/v1/users', first)).toBe(200);
  expect(server.lines.join('\n')).not.toContain(first);

  const made = await hub.run('token', 'add', 'ci', '--role', 'viewer', '--expires', '1d');
  const secret = made.stdout.trim();
  expect(made.stderr).toMatch(/^iothub token add: made ci, viewer, until \S+, by cli, /);
  expect(await hub.status('/api/v1/bans', secret)).toBe(200);
  expect(await hub.status('/api/v1/users', secret)).toBe(403);
  const again = await hub.run('token', 'add', 'ci', '--role', 'viewer');
  expect([again.exitCode, again.stdout]).toEqual([1, '']);
  expect((await hub.run('token', 'list')).stdout).toMatch(/^first, admin, .*\nci, viewer, .*\n$/);

  expect((await hub.run('token', 'remove', 'first')).exitCode).toBe(0);
  expect(await hub.status('/api/v1/users', first)).toBe(401);
  expect(existsSync(path.join(hub.data, 'admin.token'))).toBe(false);
  expect((await hub.run('token', 'remove', 'first')).exitCode).toBe(1);
  await stop(server);
  const next = await hub.start();
  expect(existsSync(path.join(hub.data, 'admin.token'))).toBe(false);
  expect(await hub.status('/api/v1/bans', secret)).toBe(200);
  await stop(next);
}, 60_000);

test('tokens are changed while the server is stopped, too', async () => {
  const hub = new Hub();
  await stop(await hub.start());
  const first = hub.token;
  const made = await hub.run('token', 'add', 'ops', '--role', 'operator', '--json');
  const { token, ...rest } = JSON.parse(made.stdout) as { token: string; name: string };
  expect(rest).toMatchObject({ name: 'ops', role: 'operator', origin: 'cli', expiresAt: null });
  expect((await hub.run('token', 'remove', 'first', '--json')).stdout).toBe('{"name":"first"}\n');
  const missing = await hub.run('token', 'remove', 'nobody');
  expect([missing.exitCode, missing.stderr]).toEqual([
    ...[1, 'iothub token remove: there is no token "nobody"\n'],
  ]);
  const server = await hub.start();
  expect(await hub.status('/api/v1/bans', first)).toBe(401);
  expect(await hub.status('/api/v1/bans?kind=username&pattern=x', token, 'DELETE')).toBe(404);
  await stop(server);
}, 60_000);

test('a token of a file, where nothing is kept', async () => {
  const folder = temporaryFolder();
  const secret = 'x'.repeat(40);
  writeFileSync(path.join(folder, 'token'), `${secret}\n`, { mode: 0o600 });
  const config = path.join(folder, 'f.toml');
  writeFileSync(config, '[admin]\ntoken_file = "token"\n');
  const hub = new Hub('--config', config, '--store', 'memory', ...ANYWHERE);
  const server = await hub.start();
  expect(await hub.status('/api/v1/tokens', secret)).toBe(200);
  await stop(server);
}, 30_000);

test('what is told goes on ends with the token, or the user, that it is told to', async () => {
  const folder = temporaryFolder();
  const config = path.join(folder, 'f.toml');
  writeFileSync(config, '[admin]\nviewer_groups = ["staff"]\n');
  const hub = new Hub('--config', config, ...ANYWHERE);
  const server = await hub.start();
  const { stdout } = await hub.run('token', 'add', 'ci', '--role', 'viewer');
  const machine = await hub.run('users', 'add', 'ann', '--machine', '--group', 'staff', '--json');
  const { password } = JSON.parse(machine.stdout) as { password: string };
  const login = await fetch(`${hub.url}/api/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'ann', password }),
  });
  const { secret } = (await login.json()) as { secret: string };
  const events = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${hub.url}/api/v1/events`, { headers });
    expect(response.status).toBe(200);
    return response.text(); // resolves when it ends
  };
  const [ofToken, ofUser] = [events(stdout.trim()), events(secret)];
  expect((await hub.run('token', 'remove', 'ci')).exitCode).toBe(0);
  expect(await ofToken).toContain('event: readiness');
  expect((await hub.run('users', 'disable', 'ann')).exitCode).toBe(0);
  expect(await ofUser).toContain('event: readiness');
  await stop(server);
}, 60_000);

describe('iothub healthcheck', () => {
  test('is 0 while the server is ready, by its folder and by its URL', async () => {
    const hub = new Hub();
    const server = await hub.start();
    for (const args of [[], ['--ready'], ['--live']]) {
      const said = args.includes('--live') ? 'live\n' : 'ready\n';
      const ok = { exitCode: 0, stdout: said, stderr: '' };
      expect(await hub.run('healthcheck', ...args)).toEqual(ok);
      expect(await inProcess('healthcheck', '--url', hub.url, ...args)).toEqual(ok);
    }
    const { stdout } = await hub.run('healthcheck', '--json');
    expect(JSON.parse(stdout)).toEqual({ status: 'ready', problems: [] });
    await stop(server);
  }, 60_000);

  test('is 1 where no server is, and says so', async () => {
    const folder = path.join(temporaryFolder(), 'data');
    mkdirSync(folder);
    const none = { exitCode: 1, stdout: '' };
    expect(await inProcess('healthcheck', '--data', folder)).toEqual({
      ...none,
      stderr: `iothub healthcheck: no server runs on the data folder ${folder}: start it, or name its folder with --data\n`,
    });
    const closed = await takenPort();
    const silent = ['--url', `http://127.0.0.1:${closed}`, '--timeout', '1'];
    expect(await inProcess('healthcheck', ...silent)).toMatchObject({
      ...none,
      stderr: 'iothub healthcheck: the server did not answer in time\n',
    });
  });

  test('is 1 where somebody else answers', async () => {
    const stranger = net.createServer((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    stranger.listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    onTestFinished(() => void stranger.close());
    const url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
    const { exitCode, stderr } = await inProcess('healthcheck', '--url', url);
    expect([exitCode, stderr]).toEqual([
      ...[1, 'iothub healthcheck: what answers there is no server of this kind\n'],
    ]);
  });

  test.each([
    [['--url', 'ftp://x'], '--url'],
    [['--url', 'http://a@127.0.0.1'], '--url'],
    [['--timeout', '0'], '--timeout'],
    [['--live', '--ready'], '--live'],
  ])('%j is a wrong command line', async (args, word) => {
    const { exitCode, stderr } = await inProcess('healthcheck', ...args);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(word);
  });
});

test('a reload reads the certificate of the admin API again, and its end is watched', async () => {
  const folder = temporaryFolder();
  const ca = Authority.root();
  const config = path.join(folder, 'f.toml');
  const write = (commonName: string, notAfter: Date) => {
    const issued = ca.server({ commonName, notAfter });
    writeFileSync(path.join(folder, 'c.pem'), issued.cert);
    writeFileSync(path.join(folder, 'k.pem'), issued.key, { mode: 0o600 });
  };
  const later = new Date(Math.floor(fromNow(300).getTime() / 1_000) * 1_000);
  write('one', fromNow(-1));
  writeFileSync(config, '[admin.tls]\ncert = "c.pem"\nkey = "k.pem"\n');
  const hub = new Hub('--config', config, '--admin', 'https://127.0.0.1:0');
  const server = await hub.start();
  expect(server.lines.join('\n')).toContain('ALARM certificate_expires: the certificate CN=one');
  const port = Number(new URL(hub.url).port);
  expect(await shownBy(port)).toBe('one');
  write('two', later);
  expect((await hub.run('reload')).exitCode).toBe(0);
  expect(await shownBy(port)).toBe('two');
  await server.line(/alarm over: certificate_expires/);
  expect(await hub.metric('iothub_certificate_expiry_timestamp_seconds')).toEqual({
    [`{listener="${hub.url}"}`]: later.getTime() / 1_000,
  });
  writeFileSync(path.join(folder, 'c.pem'), 'no certificate');
  expect((await hub.run('reload')).exitCode).toBe(0);
  await server.line(/the admin API goes on with its former certificate/);
  expect(await shownBy(port)).toBe('two');
  await stop(server);
}, 60_000);

/** The name in the certificate that is shown there. */
async function shownBy(port: number): Promise<string> {
  const { connect } = await import('node:tls');
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}
