// Web pages of somebody else's, paths that mean something else, requests that are too large or never end: none reaches the server.

import { once } from 'node:events';
import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { type Api, codeOf, openApi } from './api.ts';

const token = 'admin-token';

/** What comes back for these very bytes, until the server closes. */
async function raw(api: Api, text: string): Promise<string> {
  const socket = net.connect(api.port, '127.0.0.1');
  socket.on('error', () => {}); // it may be cut off while it writes
  let answer = '';
  socket.setEncoding('latin1').on('data', (chunk) => {
    answer += chunk;
  });
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

async function connected(api: Api): Promise<net.Socket> {
  const socket = net.connect(api.port, '127.0.0.1');
  socket.on('error', () => {}); // it may be cut off
  await once(socket.resume(), 'connect');
  return socket;
}

function request(target: string, ...headers: string[]): string {
  const more = [`Authorization: Bearer ${token}`, 'Connection: close', ...headers];
  return `GET ${target} HTTP/1.1\r\n${more.join('\r\n')}\r\n\r\n`;
}

describe('the Host', () => {
  test.each([
    'evil.example',
    'localhost.evil.example',
    'evil.example:18083',
    '127.0.0.1.evil.example',
    'a@127.0.0.1',
  ])('%s is refused, whoever asks', async (host) => {
    const api = await openApi();
    const status = await api.status('GET', '/api/v1/bans', { token, headers: { host } });
    expect([400, 403]).toContain(status);
    expect(await api.status('GET', '/api/v1/docs', { headers: { host } })).toBe(status);
    expect(api.calls).toEqual([]);
  });

  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1', '[::1]:80', '192.0.2.1', 'hub.example.com.'])(
    '%s is one of ours',
    async (host) => {
      const api = await openApi();
      expect(await api.status('GET', '/api/v1/bans', { token, headers: { host } })).toBe(200);
    },
  );

  test('may be any for health, which tells strangers nothing', async () => {
    const api = await openApi();
    const headers = { host: 'pod-7.cluster' };
    expect(await api.status('GET', '/readyz', { headers })).toBe(200);
  });

  test('is said once', async () => {
    const api = await openApi();
    const twice = request('/api/v1/bans', 'Host: localhost', 'host: evil.example');
    expect(await raw(api, twice)).toMatch(/^HTTP\/1.1 400 /);
    expect(await raw(api, request('/api/v1/bans'))).toMatch(/^HTTP\/1.1 400 /);
    expect(api.calls).toEqual([]);
  });
});

describe('a web page', () => {
  test.each([
    ['origin', 'https://evil.example'],
    ['origin', 'null'],
    ['origin', 'http://localhost:1'],
    ['sec-fetch-site', 'cross-site'],
    ['sec-fetch-site', 'same-site'],
  ])('with %s: %s is refused', async (name, value) => {
    const api = await openApi();
    const headers = { host: 'localhost:18083', [name]: value };
    const answer = await api.ask('DELETE', '/api/v1/users/ann', { token, headers });
    expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden']);
    expect(api.calls).toEqual([]);
  });

  test.each([
    ['origin', 'http://localhost:18083'],
    ['sec-fetch-site', 'same-origin'],
    ['sec-fetch-site', 'none'],
  ])('of the server itself, with %s: %s, may ask', async (name, value) => {
    const api = await openApi();
    const headers = { host: 'localhost:18083', [name]: value };
    expect(await api.status('GET', '/api/v1/bans', { token, headers })).toBe(200);
  });

  test('is never told that it may: no answer has a CORS header', async () => {
    const api = await openApi();
    const headers = { origin: 'https://evil.example', 'access-control-request-method': 'PUT' };
    const preflight = await api.ask('OPTIONS', '/api/v1/bans', { headers });
    expect(preflight.status).toBe(403);
    const answers = [
      preflight,
      await api.ask('GET', '/livez'),
      await api.ask('GET', '/api/v1/bans', { token }),
      await api.ask('GET', '/api/v1/none', { token }),
      await api.ask('OPTIONS', '/api/v1/bans', { token }),
    ];
    for (const answer of answers) {
      const names = Object.keys(answer.headers);
      expect(names.filter((name) => name.startsWith('access-control-'))).toEqual([]);
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    }
  });

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
  ])('cannot send %s, as a form would', async (type) => {
    const api = await openApi();
    const headers = { 'content-type': type };
    const answer = await api.ask('POST', '/api/v1/reload', { token, headers, body: '{}' });
    expect([answer.status, codeOf(answer)]).toEqual([415, 'unsupported']);
    expect(api.calls).toEqual([]);
  });
});

describe('a path', () => {
  test.each([
    ['/api/v1/../v1/users', 400],
    ['/api/v1/users/..', 400],
    ['/api/v1/users/%2e%2e', 400],
    ['/api/v1/users/.', 400],
    ['/livez/../api/v1/users', 400],
    ['//api/v1/users', 400],
    ['/api//v1/users', 400],
    ['/api/v1/users/', 400],
    ['/api/v1/users/a%00b', 400],
    ['/api/v1/users/%', 400],
    ['/api/v1/users/%ff', 400],
    ['/api\\v1\\users', 400],
    ['/api/v1/users#x', 400],
    ['/api%2fv1%2fusers', 404],
    ['/api/v1%2fusers', 404],
    ['/API/v1/users', 404],
    ['/livez%2f..%2fapi%2fv1%2fusers', 404],
    ['/api/v1/users;x=1', 404],
  ])('%s is nothing that is asked', async (path, status) => {
    const api = await openApi();
    const answer = await raw(api, request(path, 'Host: localhost'));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(api.calls).toEqual([]);
  });

  test.each([
    ['a%2fb', 'a/b'],
    ['%252e%252e', '%2e%2e'],
    ['a%2f%2e%2e%2fb', 'a/../b'],
    ['%e2%82%ac', '€'],
  ])('has a name in it that is decoded once: %s', async (name, username) => {
    const api = await openApi();
    await api.ask('GET', `/api/v1/users/${name}`, { token });
    expect(api.calls).toEqual([['users.get', username]]);
  });

  test('is a path, not a URL of somewhere else', async () => {
    const api = await openApi();
    for (const target of ['http://evil.example/api/v1/users', '*', 'api/v1/users']) {
      expect(await raw(api, request(target, 'Host: localhost'))).toMatch(/^HTTP\/1.1 400 /);
    }
    expect(api.calls).toEqual([]);
  });

  test('means what its route means however it is spelt: the role goes with the route', async () => {
    const api = await openApi();
    const asked = { token: 'viewer-token' };
    expect(await api.status('GET', '/api/v1/%75sers', asked)).toBe(403);
    expect(await api.status('GET', '/api/v1/%62ans', asked)).toBe(200);
  });
});

describe('a query', () => {
  test.each([
    '/api/v1/bans?kind=a?&token=x',
    '/api/v1/users?%zz=1',
    '/api/v1/bans?kind=username&pattern=%ff',
    '/api/v1/users?dryRun=true',
    '/api/v1/users/ann?dryRun=true',
    '/api/v1/bans?kind=username&pattern=x&dryRun=true',
    '/api/v1/events?token%5f=x',
  ])('that a route does not know, or nobody can read, is refused: %s', async (path) => {
    const api = await openApi();
    for (const method of ['GET', 'DELETE']) {
      const answer = await api.ask(method, path, { token });
      expect([400, 404]).toContain(answer.status);
    }
    expect(api.calls).toEqual([]);
  });

  test('may be any where it changes nothing: scrapers and probes say all sorts of things', async () => {
    const api = await openApi();
    for (const path of ['/livez?verbose', '/readyz?exclude=x', '/api/v1/docs?x=1']) {
      expect(await api.status('GET', path)).toBe(200);
    }
  });
});

describe('a request', () => {
  test('with a body that its route does not know is refused', async () => {
    const api = await openApi();
    const headers = { 'content-length': 15 };
    const body = '{"dryRun":true}';
    const answer = await api.ask('DELETE', '/api/v1/users/ann', { token, headers, body });
    expect([answer.status, codeOf(answer), api.calls]).toEqual([400, 'invalid', []]);
  });

  test('that is too large is refused', async () => {
    const api = await openApi();
    const body = { username: 'x'.repeat(5_000), password: 'p' };
    const answer = await api.ask('POST', '/api/v1/users', { token, body });
    expect([answer.status, codeOf(answer)]).toEqual([413, 'too_large']);
    const head = request('/api/v1/bans', 'Host: localhost', `X: ${'x'.repeat(300_000)}`);
    expect(await raw(api, head)).toMatch(/^HTTP\/1.1 431 /);
    expect(api.calls).toEqual([]);
  });

  test('that does not come to an end is cut off', async () => {
    const api = await openApi({ requestTimeoutMs: 100 });
    expect(await raw(api, 'GET /livez HTTP/1.1\r\nHost: loc')).toMatch(/^(?:$|HTTP\/1.1 408 )/);
    const auth = `Host: localhost\r\nAuthorization: Bearer ${token}\r\n`;
    const head = `POST /api/v1/reload HTTP/1.1\r\n${auth}Content-Type: application/json\r\n`;
    const answer = await raw(api, `${head}Content-Length: 100\r\n\r\n{"force":`);
    expect(answer).toMatch(/^(?:$|HTTP\/1.1 408 )/);
    expect(api.calls).toEqual([]);
  });

  test('finds a place however many connections say nothing: the oldest of them go', async () => {
    const api = await openApi({ connectionsMax: 3 });
    const silent = await Promise.all(Array.from({ length: 3 }, () => connected(api)));
    const closed = Promise.race(silent.map((socket) => once(socket, 'close')));
    expect(await raw(api, request('/livez', 'Host: localhost'))).toMatch(/^HTTP\/1.1 200 /);
    await closed;
    expect(silent.filter((socket) => socket.destroyed)).toHaveLength(1);
    expect(api.log.lines.map(({ fields }) => fields)).toEqual([
      { address: '127.0.0.1', connectionsMax: 3 },
    ]);
    for (const socket of silent) socket.destroy();
  });

  test.each([
    ['', 400],
    ['{', 400],
    ['[]', 400],
    ['{"force":"yes"}', 400],
    ['{"froce":true}', 400],
    ['{"__proto__":{"force":true}}', 400],
  ])('with the body %s changes nothing', async (body, status) => {
    const api = await openApi();
    expect(await api.status('POST', '/api/v1/reload', { token, body })).toBe(status);
    expect(api.calls).toEqual([]);
  });
});
