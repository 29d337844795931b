// The admin API over HTTP as a whole: from before the server is there until it has stopped; health, tokens, logins, and what
// describes it.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { PAGE_POLICY, referencePage } from '../../src/admin/reference-page.ts';
import { Authority } from '../support/certificates.ts';
import { Api, codeOf, openApi } from './api.ts';

const token = 'admin-token';
const STORE = { name: 'store_failing', message: 'the disk is full' };

describe('before the server is there', () => {
  test('only health is told, and everything else is asked to come again', async () => {
    const api = await new Api().open();
    api.health.push({ name: 'restoring', message: 'it starts' });
    const ready = await api.ask('GET', '/readyz');
    expect([ready.status, ready.said]).toEqual([503, { status: 'not ready' }]);
    expect(await api.status('GET', '/livez')).toBe(200);
    const users = await api.ask('GET', '/api/v1/users', { token });
    expect([users.status, codeOf(users), users.headers['retry-after']]).toEqual([
      ...[503, 'unavailable', '5'],
    ]);
  });

  test('a token is not known yet, and nobody is counted as a guesser for it', async () => {
    const api = await new Api().open();
    expect(await api.status('GET', '/livez', { token: 'guess' })).toBe(200);
    expect(api.wrong).toEqual([]);
  });
});

test('while the server stops, health is told, and nothing is changed any more', async () => {
  const api = await openApi();
  expect(await api.status('GET', '/api/v1/users', { token })).toBe(200);
  api.health.push({ name: 'stopping', message: 'it stops' });
  await api.listener.retire();
  expect(await api.status('GET', '/api/v1/users', { token })).toBe(503);
  const ready = await api.ask('GET', '/readyz', { token });
  expect([ready.status, ready.said]).toEqual([503, { status: 'not ready', problems: api.health }]);
});

describe('health', () => {
  test('is open, and tells why not to those with a token', async () => {
    const api = await openApi();
    expect((await api.ask('GET', '/readyz')).said).toEqual({ status: 'ready' });
    api.health.push(STORE);
    const nobody = await api.ask('GET', '/readyz');
    expect([nobody.status, nobody.said]).toEqual([503, { status: 'not ready' }]);
    const viewer = await api.ask('GET', '/readyz', { token: 'viewer-token' });
    expect([viewer.status, viewer.said]).toEqual([503, { status: 'not ready', problems: [STORE] }]);
    expect((await api.ask('GET', '/livez')).said).toEqual({ status: 'live' });
  });

  test('answers HEAD, too', async () => {
    const api = await openApi();
    const live = await api.ask('HEAD', '/livez');
    expect([live.status, live.text]).toEqual([200, '']);
    api.health.push(STORE);
    expect(await api.status('HEAD', '/readyz')).toBe(503);
  });
});

describe('tokens', () => {
  test('are listed, made and ended by an admin', async () => {
    const api = await openApi();
    const list = await api.ask('GET', '/api/v1/tokens', { token });
    expect(list.said).toMatchObject([{ name: 'ci', role: 'viewer', expiresAt: null }]);
    const body = { name: 'ci', role: 'viewer', expiresInMs: 1_000 };
    const made = await api.ask('POST', '/api/v1/tokens', { token, body });
    expect([made.status, made.said]).toMatchObject([201, { secret: 'iothub_new' }]);
    expect(await api.status('DELETE', '/api/v1/tokens/ci', { token })).toBe(204);
    expect(api.calls).toEqual([
      ['tokens.list'],
      ['tokens.add', body, 'api'],
      ['tokens.remove', 'ci'],
    ]);
    expect(JSON.stringify(api.log.lines)).not.toContain('iothub_new');
  });

  test.each([
    [{ name: 'x', role: 'root' }],
    [{ name: 'x' }],
    [{ role: 'viewer' }],
    [{ name: 'x', role: 'viewer', expiresInMs: 0 }],
    [{ name: 'x', role: 'viewer', more: 1 }],
  ])('are not made of %j', async (body) => {
    const api = await openApi();
    expect(await api.status('POST', '/api/v1/tokens', { token, body })).toBe(400);
    expect(api.calls).toEqual([]);
  });
});

describe('a login', () => {
  const body = { username: 'ann', password: 'opensesame' };

  test('needs no token, and gives one', async () => {
    const api = await openApi();
    const given = { secret: 's', role: 'viewer', expiresAt: '2026-01-01T00:00:00.000Z' } as const;
    api.login = { outcome: 'in', ...given };
    const answer = await api.ask('POST', '/api/v1/login', { body });
    expect([answer.status, answer.said]).toEqual([200, given]);
    expect(api.calls).toMatchObject([['login', { ...body, address: '127.0.0.1' }]]);
    const line = api.log.lines.find(({ fields }) => fields.outcome === 'done');
    expect(line?.fields).toMatchObject({ who: null, what: { username: 'ann' } });
    expect(JSON.stringify(api.log.lines)).not.toContain('opensesame');
  });

  test.each([
    ['wrong', 401, 'unauthorized'],
    ['later', 429, 'too_many'],
    ['banned', 403, 'forbidden'],
    ['none', 403, 'forbidden'],
  ] as const)('that is refused (%s) says so', async (outcome, status, code) => {
    const api = await openApi();
    api.login = { outcome };
    const answer = await api.ask('POST', '/api/v1/login', { body });
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  });

  test('cannot come from a page of somebody else, or by another name', async () => {
    const api = await openApi();
    for (const headers of [{ host: 'evil.example' }, { origin: 'http://evil.example' }]) {
      expect(await api.status('POST', '/api/v1/login', { body, headers })).toBe(403);
    }
    expect(api.calls).toEqual([]);
  });
});

interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Record<
    string,
    Record<string, { summary?: string; tags?: string[]; 'x-role'?: string }>
  >;
}

async function documentOf(api: Api): Promise<Document> {
  return (await api.ask('GET', '/api/v1/openapi.json')).said as Document;
}

describe('the description', () => {
  test('has every route with a sentence, a tag and a role', async () => {
    const api = await openApi();
    const { openapi, info, paths } = await documentOf(api);
    expect([openapi, info.version]).toEqual(['3.1.0', '1.2.3']);
    const operations = Object.entries(paths).flatMap(([at, item]) =>
      Object.entries(item).map(([method, operation]) => ({ at: `${method} ${at}`, ...operation })),
    );
    expect(operations.length).toBeGreaterThan(15);
    for (const { at, summary = '', tags = [], 'x-role': role } of operations) {
      expect([at, summary.length > 10, tags.length]).toEqual([at, true, 1]);
      expect(['viewer', 'operator', 'admin', 'none']).toContain(role);
    }
    const open = operations.filter((one) => one['x-role'] === 'none').map(({ at }) => at);
    expect(open).toEqual(['get /livez', 'get /readyz', 'post /api/v1/login']);
  });

  test('and docs/admin-api.md say the same', async () => {
    const { paths } = await documentOf(await openApi());
    const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/admin-api.md'), 'utf8');
    const rows = [...page.matchAll(/^\| `([A-Z]+) ([^`]+)` \| (\w+|–) \|/gm)];
    const told = rows.map(([, method, at, role]) => `${method} ${at} ${role}`);
    const served = Object.entries(paths).flatMap(([at, item]) =>
      Object.entries(item).map(([method, { 'x-role': role = '' }]) => {
        return `${method.toUpperCase()} ${at} ${role === 'none' ? '–' : role}`;
      }),
    );
    expect(told.sort()).toEqual(served.sort());
  });

  test('is a page that loads and runs nothing', async () => {
    const api = await openApi();
    const page = await api.ask('GET', '/api/v1/docs');
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['content-security-policy']).toBe(PAGE_POLICY);
    expect(PAGE_POLICY).toMatch(/^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; /);
    expect(page.text).toContain('<code>DELETE /api/v1/users/{username}</code>');
    expect(page.text).not.toMatch(/<script|https?:\/\/|\son\w+=|javascript:|<link|<img/i);
  });

  test('says what a query and a body must have, and what they may', async () => {
    const { text } = await (await openApi()).ask('GET', '/api/v1/docs');
    expect(text).toContain('Query: <code>filter, dryRun?</code>');
    expect(text).toContain('Body: <code>name, role, expiresInMs?</code>');
  });

  test('shows no text as HTML', () => {
    const paths = { '/<b>': { get: { summary: '"><script>x</script>', tags: ['<i>'] } } };
    const page = referencePage({ info: { title: 'a&b', version: '1' }, paths });
    expect(page).toContain('&quot;&gt;&lt;script&gt;x&lt;/script&gt;');
    expect(page).not.toMatch(/<script|<b>|<i>|a&b/);
  });
});

describe('the listener', () => {
  test('rejects when the port is taken, and when the certificate is none', async () => {
    const api = await openApi();
    await expect(new Api().open({ port: api.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    const certificate = { cert: 'no', key: 'no' };
    await expect(new Api().open({ certificate })).rejects.toThrow();
  });

  test('speaks TLS with a certificate, and shows another one after a reload', async () => {
    const ca = Authority.root();
    const [first, second] = ['one', 'two'].map((commonName) => ca.server({ commonName }));
    const api = await new Api().open({ certificate: { cert: first.cert, key: first.key } });
    expect(api.listener.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await shownBy(api.port)).toBe('one');
    api.listener.setCertificate({ cert: second.cert, key: second.key });
    expect(await shownBy(api.port)).toBe('two');
    expect(() => api.listener.setCertificate({ cert: 'no', key: 'no' })).toThrow();
    expect(await shownBy(api.port)).toBe('two');
  });

  test('stops although somebody has connected and does not shake hands', async () => {
    const { cert, key } = Authority.root().server();
    const api = await new Api().open({ certificate: { cert, key }, requestTimeoutMs: 86_400_000 });
    const silent = net.connect(api.port, '127.0.0.1');
    silent.on('error', () => {});
    const closed = once(silent, 'close');
    await once(silent, 'connect');
    await api.listener.close();
    await closed;
  });
});

/** The name in the certificate that is shown there; a request goes through. */
async function shownBy(port: number): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.end('GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  expect(answer).toMatch(/^HTTP\/1.1 200 /);
  return String(subject.CN);
}
