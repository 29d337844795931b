// Who is let in to the admin API over HTTP, and to what.

import Fastify from 'fastify';
import { describe, expect, test } from 'vitest';
import { createApp } from '../../src/admin/app.ts';
import { ControlError } from '../../src/server/contract.ts';
import { LogBook } from '../kit/log-book.ts';
import { codeOf, openApi } from './api.ts';

describe('a token', () => {
  test('is needed on loopback, too, and nothing is asked without', async () => {
    const api = await openApi();
    const answer = await api.ask('GET', '/api/v1/users');
    expect([answer.status, codeOf(answer)]).toEqual([401, 'unauthorized']);
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="iothub"');
    expect(await api.status('POST', '/api/v1/reload', { body: {} })).toBe(401);
    expect(api.calls).toEqual([]);
  });

  test.each([
    ['viewer-token', 200, 403, 403],
    ['operator-token', 200, 204, 403],
    ['admin-token', 200, 204, 200],
  ])('%s may do what its role may', async (token, bans, unban, users) => {
    const api = await openApi();
    expect(await api.status('GET', '/api/v1/bans', { token })).toBe(bans);
    const ban = '/api/v1/bans?kind=username&pattern=x';
    expect(await api.status('DELETE', ban, { token })).toBe(unban);
    expect(await api.status('GET', '/api/v1/users', { token })).toBe(users);
  });

  test('that has too little a role is told which is needed', async () => {
    const api = await openApi();
    const answer = await api.ask('GET', '/api/v1/users', { token: 'viewer-token' });
    expect([answer.status, answer.said]).toEqual([
      403,
      {
        error: {
          code: 'forbidden',
          message: 'this needs the role admin, and the token has viewer',
        },
      },
    ]);
  });

  test.each([
    ['Basic YTpi'],
    ['Bearer'],
    ['Bearer a b'],
    ['viewer-token'],
    [`Bearer ${'x'.repeat(600)}`],
  ])('is a Bearer token: not %s', async (authorization) => {
    const api = await openApi();
    expect(await api.status('GET', '/api/v1/bans', { headers: { authorization } })).toBe(401);
    expect(api.wrong).toEqual([]);
  });

  test.each(['token', 'access_token', 'ACCESS%5ftoken', 'authorization'])(
    'is not taken from a URL (%s), and not told to the log',
    async (name) => {
      const api = await openApi();
      const path = `/api/v1/bans?${name}=viewer-token`;
      expect(await api.status('GET', path)).toBe(400);
      expect(await api.status('GET', path, { token: 'viewer-token' })).toBe(400);
      expect(JSON.stringify(api.log.lines)).not.toContain('viewer-token');
    },
  );

  test('that is wrong is counted by address, and told to wait after many', async () => {
    const api = await openApi();
    expect(await api.status('GET', '/api/v1/bans', { token: 'guess' })).toBe(401);
    expect(api.wrong).toEqual(['127.0.0.1']);
    api.isPenalized = true;
    const late = await api.ask('GET', '/api/v1/bans', { token: 'guess' });
    expect([late.status, codeOf(late), late.headers['retry-after']]).toEqual([
      ...[429, 'too_many', '60'],
    ]);
    expect(await api.status('GET', '/api/v1/bans', { token: 'viewer-token' })).toBe(200);
  });

  test('is wrong where none is needed, too', async () => {
    const api = await openApi();
    expect(await api.status('GET', '/livez', { token: 'guess' })).toBe(401);
    expect(await api.status('GET', '/api/v1/docs', { token: 'guess' })).toBe(401);
  });
});

describe('what is open on loopback', () => {
  const page = '/api/v1/docs';

  test('is open there, and to no proxy that speaks for somebody', async () => {
    const api = await openApi();
    expect(await api.status('GET', page)).toBe(200);
    for (const name of ['x-forwarded-for', 'Forwarded', 'via', 'x-real-ip']) {
      expect(await api.status('GET', page, { headers: { [name]: '192.0.2.1' } })).toBe(401);
    }
  });

  test('is not open where others reach the listener', async () => {
    const api = await openApi({ isLoopback: false });
    expect(await api.status('GET', page)).toBe(401);
    expect(await api.status('GET', page, { token: 'viewer-token' })).toBe(200);
  });
});

describe('a route', () => {
  test('without a role keeps the server from starting', () => {
    const app = createApp({ logger: new LogBook() });
    expect(() => app.get('/api/v1/x', async () => 1)).toThrow(
      'the route /api/v1/x says no role: give it config.role',
    );
    expect(() => Fastify().get('/x', async () => 1)).not.toThrow();
  });

  test('that is not there is told to those with a token only', async () => {
    const api = await openApi();
    expect(await api.status('GET', '/api/v1/nothing')).toBe(401);
    const answer = await api.ask('GET', '/api/v1/nothing?x=1', { token: 'viewer-token' });
    expect([answer.status, answer.said]).toEqual([
      404,
      { error: { code: 'unknown', message: 'there is no GET /api/v1/nothing' } },
    ]);
  });

  test('that fails says so, and only the log says why', async () => {
    const api = await openApi();
    api.error = new Error('secret of the inside');
    const answer = await api.ask('GET', '/api/v1/bans', { token: 'viewer-token' });
    expect([answer.status, codeOf(answer)]).toEqual([500, 'failed']);
    expect(answer.text).not.toContain('secret');
    expect(JSON.stringify(api.log.lines)).toContain('secret of the inside');
    api.error = new ControlError('unavailable', 'not now');
    const refused = await api.ask('GET', '/api/v1/bans', { token: 'viewer-token' });
    expect([refused.status, codeOf(refused)]).toEqual([503, 'unavailable']);
  });
});

test('what is made over HTTP has the origin api', async () => {
  const api = await openApi();
  const asked = { token: 'admin-token', body: { kind: 'username', pattern: 'x' } };
  expect(await api.status('POST', '/api/v1/bans', asked)).toBe(201);
  const token = { token: 'admin-token', body: { name: 'x', role: 'viewer' } };
  expect(await api.status('POST', '/api/v1/tokens', token)).toBe(201);
  expect(api.calls.map(([name, , origin]) => [name, origin])).toEqual([
    ['bans.add', 'api'],
    ['tokens.add', 'api'],
  ]);
});

describe('requests a second', () => {
  test('are limited for each token, and for each address without', async () => {
    let nowMs = 0;
    const api = await openApi({ requestRateMax: 2, now: () => nowMs });
    const viewer = () => api.status('GET', '/api/v1/bans', { token: 'viewer-token' });
    const nobody = () => api.status('GET', '/api/v1/docs');
    expect([await nobody(), await nobody(), await nobody()]).toEqual([200, 200, 429]);
    expect([await viewer(), await viewer(), await viewer()]).toEqual([200, 200, 429]);
    expect(await api.status('GET', '/api/v1/bans', { token: 'admin-token' })).toBe(200);
    nowMs = 500;
    expect([await viewer(), await viewer(), await nobody()]).toEqual([200, 429, 200]);
  });

  test('are not counted of health: who floods makes a server look dead to nobody', async () => {
    const api = await openApi({ requestRateMax: 1, now: () => 0 });
    await api.status('GET', '/api/v1/docs');
    expect(await api.status('GET', '/api/v1/docs')).toBe(429);
    expect(await api.status('GET', '/livez')).toBe(200);
    expect(await api.status('HEAD', '/readyz')).toBe(200);
    expect(await api.status('GET', '/livez', { token: 'guess' })).toBe(429);
  });
});

describe('the audit line', () => {
  test('says who asked for which change, from where, and what came of it', async () => {
    const api = await openApi();
    const body = { password: 'opensesame', isMachine: false };
    await api.ask('PUT', '/api/v1/users/ann/password', { token: 'admin-token', body });
    const line = api.log.lines.find(({ fields }) => 'outcome' in fields);
    expect(line?.fields).toEqual({
      ...{ who: 'admin-token', by: 'token', role: 'admin', address: '127.0.0.1' },
      action: 'PUT /api/v1/users/:username/password',
      what: { username: 'ann', isMachine: false },
      ...{ status: 200, outcome: 'done' },
    });
    expect(JSON.stringify(api.log.lines)).not.toContain('opensesame');
  });

  test('is there for what was refused and what failed, and not for questions', async () => {
    const api = await openApi();
    const outcomes = () => api.log.lines.flatMap(({ fields }) => fields.outcome ?? []);
    await api.ask('GET', '/api/v1/bans', { token: 'viewer-token' });
    expect(outcomes()).toEqual([]);
    await api.ask('DELETE', '/api/v1/users/ann', { token: 'viewer-token' });
    api.error = new Error('broken');
    await api.ask('DELETE', '/api/v1/users/ann', { token: 'admin-token' });
    expect(outcomes()).toEqual(['refused', 'failed']);
    expect(api.calls.filter(([name]) => name === 'users.remove')).toHaveLength(1);
  });

  test('is not there for strangers, and for what is no request, which could fill the log', async () => {
    const api = await openApi();
    await api.ask('DELETE', '/api/v1/users/ann');
    await api.ask('DELETE', '/api/v1/users/ann', { token: 'guess' });
    await api.ask('POST', '/api/v1/reload', { token: 'admin-token', body: '{' });
    await api.ask('POST', '/api/v1/nothing', { token: 'admin-token', body: {} });
    expect(api.log.lines).toEqual([]);
  });

  test('of logins that were refused comes so often, then with how many there were', async () => {
    let nowMs = 0;
    const api = await openApi({ now: () => nowMs });
    const login = () =>
      api.status('POST', '/api/v1/login', { body: { username: 'a', password: 'guess' } });
    for (let i = 0; i < 25; i++) expect(await login()).toBe(401);
    expect(api.log.lines).toHaveLength(20);
    nowMs = 1_000;
    await login();
    const [{ fields }] = api.log.lines.slice(20);
    expect(fields).toMatchObject({ who: null, outcome: 'refused', untold: 5 });
    api.login = { outcome: 'in', secret: 's', role: 'viewer', expiresAt: '' };
    expect(await login()).toBe(200);
    expect(api.log.lines).toHaveLength(22);
  });

  test('is none of a question that has a body, and of a dry run', async () => {
    const api = await openApi();
    const asked = { token: 'admin-token', body: { dryRun: true } };
    expect(await api.status('POST', '/api/v1/reload', asked)).toBe(200);
    await api.ask('POST', '/api/v1/explain/delivery', { ...asked, body: { clientId: 'c' } });
    expect(api.log.lines).toEqual([]);
  });

  test('says what came of a change, and that a reload with problems was none', async () => {
    const api = await openApi();
    const lines = () => api.log.lines.map(({ fields }) => [fields.outcome, fields.result]);
    const reload = { token: 'admin-token', body: {} };
    await api.ask('POST', '/api/v1/reload', reload);
    api.problems.push('line 1 is wrong');
    await api.ask('POST', '/api/v1/reload', reload);
    const ban = { token: 'operator-token', body: { kind: 'username', pattern: 'x' } };
    await api.ask('POST', '/api/v1/bans', ban);
    const result = { changes: 0, ended: 0, muted: 0 };
    expect(lines()).toEqual([
      ['done', { ...result, problems: 0 }],
      ['refused', { ...result, problems: 1 }],
      ['done', { kicked: 0 }],
    ]);
  });

  test('has long texts cut', async () => {
    const api = await openApi();
    const query = `kind=username&pattern=${'x'.repeat(1_000)}`;
    await api.ask('DELETE', `/api/v1/bans?${query}`, { token: 'operator-token' });
    const line = api.log.lines.find(({ fields }) => 'outcome' in fields);
    expect(line?.fields.what).toEqual({ kind: 'username', pattern: `${'x'.repeat(127)}…` });
  });
});
