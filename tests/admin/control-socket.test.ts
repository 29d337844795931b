// The routes of the control socket: what they ask of the server, what they say, and what they do not take for a request.

import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { ControlSocket } from '../../src/admin/control-socket.ts';
import { createLog } from '../../src/cli/logger.ts';
import type { EventTotals } from '../../src/server/contract/events.ts';
import type { ReadinessProblem } from '../../src/server/contract/health.ts';
import type { ControlledToken } from '../../src/server/contract/tokens.ts';
import { ControlError, type ControlledBan, type ServerControl } from '../../src/server/contract.ts';
import { FakeOutput } from '../kit/fake-output.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { NO_MANAGEMENT } from '../kit/no-management.ts';
import { until } from '../kit/until.ts';

const ANN = { username: 'ann', groups: ['plant'], isDisabled: false };
const BAN: ControlledBan = {
  kind: 'address',
  pattern: '192.0.2.1',
  reason: 'r',
  origin: 'cli',
  createdAt: '2026-01-01T00:00:00.000Z',
  expiresAt: null,
};
const TOKEN: ControlledToken = {
  ...{ name: 'ci', role: 'viewer', origin: 'cli' },
  ...{ createdAt: '2026-01-01T00:00:00.000Z', expiresAt: null },
};
const NO_EVENTS: EventTotals = {
  ...{ connectionsOpened: 0, connectionsClosed: 0, connectionsRefused: 0, failedLogins: 0 },
  ...{ dropped: {}, alarms: [], problems: [] },
};
const REPORT = { changes: ['c'], ended: 1, muted: 2, afterRestart: [], problems: [] };
const ANSWER = { isAllowed: true, source: 's', rule: null, file: null, line: null, reason: 'r' };

const TOTALS = { total: 0, reasons: [], ledgerMax: 1 };
const DROPS = { items: [], next: null };

/** Remembers what it was asked, and answers the same to all. */
class Control {
  readonly calls: unknown[][] = [];
  /** What the next calls reject with. */
  error: Error | null = null;
  /** While this is set, calls wait, and are let go by these. */
  held: (() => void)[] | null = null;
  hasUsers = true;
  problems: ReadinessProblem[] = [];

  get control(): ServerControl {
    const does =
      <T>(name: string, answer: T) =>
      async (...args: unknown[]): Promise<T> => {
        this.calls.push([name, ...args]);
        const { held } = this;
        if (held !== null) await new Promise<void>((resolve) => held.push(resolve));
        if (this.error !== null) throw this.error;
        return answer;
      };
    const user = (name: string) => does(`users.${name}`, ANN);
    const users = {
      ...{ list: does('users.list', [ANN]), get: user('get'), add: user('add') },
      ...{ setPassword: user('setPassword'), setGroups: user('setGroups') },
      ...{ enable: user('enable'), disable: user('disable') },
      remove: does('users.remove', undefined),
    };
    return {
      metrics: null,
      log: createLog({}, new FakeOutput()).control,
      management: NO_MANAGEMENT,
      users: this.hasUsers ? users : null,
      bans: {
        list: does('bans.list', [BAN]),
        add: does('bans.add', { ban: BAN, kicked: 3 }),
        remove: does('bans.remove', true),
      },
      drops: { totals: does('drops.totals', TOTALS), list: does('drops.list', DROPS) },
      health: { problems: () => this.problems },
      events: { totals: () => NO_EVENTS },
      tokens: {
        list: does('tokens.list', [TOKEN]),
        add: does('tokens.add', { token: TOKEN, secret: 'iothub_secret' }),
        remove: does('tokens.remove', true),
      },
      logins: { login: does('logins.login', { outcome: 'wrong' as const }) },
      reload: does('reload', REPORT),
      explain: does('explain', ANSWER),
    };
  }
}

let control: Control;
let log: LogBook;
let file: string;
let socket: ControlSocket;

async function open(given = new Control()): Promise<void> {
  control = given;
  log = new LogBook();
  file = path.join(temporaryFolder(), 's');
  const bind = async (listen: (path: string) => void) => listen(file);
  socket = await ControlSocket.open({ control: control.control, logger: log, bind });
  const opened = socket;
  onTestFinished(() => opened.close());
}

beforeEach(() => open());

interface Answered {
  readonly status: number;
  /** As JSON; undefined: there is none. */
  readonly said: unknown;
}

/** `body`: a text goes as it is. */
async function ask(method: string, route: string, body?: unknown): Promise<Answered> {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  const options = { socketPath: file, method, path: route, headers, agent: false };
  const request = http.request(options);
  request.on('error', () => {}); // it may be answered before it is all there
  request.end(typeof body === 'string' ? body : JSON.stringify(body));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode ?? 0, said: text === '' ? undefined : JSON.parse(text) };
}

const USERS = '/api/v1/users';
const ANN_ROUTE = `${USERS}/ann`;
const BANS = '/api/v1/bans';
const RELOAD = '/api/v1/reload';
const EXPLAIN = '/api/v1/acl/explain';
const QUESTION = { username: null, clientId: 'c', action: 'publish', topic: 't' };

interface Row {
  readonly ask: readonly [method: string, route: string, body?: unknown];
  readonly answers: readonly [status: number, said?: unknown];
  readonly call: readonly unknown[];
}

describe('each route asks the server once, with all that may be left out', () => {
  test.each<Row>([
    { ask: ['GET', USERS], answers: [200, [ANN]], call: ['users.list'] },
    { ask: ['GET', ANN_ROUTE], answers: [200, ANN], call: ['users.get', 'ann'] },
    {
      ask: ['POST', USERS, { username: 'ann', password: 'p' }],
      answers: [201, ANN],
      call: ['users.add', { username: 'ann', password: 'p', isMachine: false, groups: [] }],
    },
    {
      ask: ['PUT', `${ANN_ROUTE}/password`, { password: 'p', isMachine: true }],
      answers: [200, ANN],
      call: ['users.setPassword', 'ann', { password: 'p', isMachine: true }],
    },
    {
      ask: ['PUT', `${ANN_ROUTE}/groups`, { groups: ['a'] }],
      answers: [200, ANN],
      call: ['users.setGroups', 'ann', ['a']],
    },
    {
      ask: ['PUT', `${ANN_ROUTE}/enabled`, { enabled: true }],
      answers: [200, ANN],
      call: ['users.enable', 'ann'],
    },
    {
      ask: ['PUT', `${ANN_ROUTE}/enabled`, { enabled: false }],
      answers: [200, ANN],
      call: ['users.disable', 'ann'],
    },
    { ask: ['DELETE', ANN_ROUTE], answers: [204], call: ['users.remove', 'ann'] },
    { ask: ['GET', BANS], answers: [200, [BAN]], call: ['bans.list'] },
    {
      ask: ['POST', BANS, { kind: 'username', pattern: 'x*' }],
      answers: [201, { ban: BAN, kicked: 3 }],
      call: [
        'bans.add',
        { kind: 'username', pattern: 'x*', reason: '', durationMs: null, kick: false },
      ],
    },
    {
      ask: ['DELETE', `${BANS}?kind=client_id&pattern=a%2Fb%26c`],
      answers: [204],
      call: ['bans.remove', 'client_id', 'a/b&c'],
    },
    {
      ask: ['POST', RELOAD, {}],
      answers: [200, REPORT],
      call: ['reload', { force: false, dryRun: false }],
    },
    {
      ask: ['POST', RELOAD, { force: true, dryRun: true }],
      answers: [200, REPORT],
      call: ['reload', { force: true, dryRun: true }],
    },
    {
      ask: ['POST', EXPLAIN, { ...QUESTION, clientId: '', claims: { a: { b: 1 } } }],
      answers: [200, ANSWER],
      call: [
        'explain',
        { ...QUESTION, clientId: '', groups: [], claims: { a: { b: 1 } }, qos: 0, retain: false },
      ],
    },
  ])('$ask', async ({ ask: [method, route, body], answers: [status, said], call }) => {
    expect(await ask(method, route, body)).toEqual({ status, said });
    expect(control.calls).toEqual([call]);
  });
});

test('a user may have any name, as far as a name goes', async () => {
  for (const name of ['a/b', 'ä ö', '%', '..', '?x=1', 'x'.repeat(65_535), '日'.repeat(21_845)]) {
    expect((await ask('GET', `${USERS}/${encodeURIComponent(name)}`)).status).toBe(200);
    expect(control.calls.splice(0)).toEqual([['users.get', name]]);
  }
});

describe('what is no request changes nothing', () => {
  const named = { kind: 'username', pattern: 'x' };
  test.each<[string, string, unknown, number]>([
    ['GET', '/', undefined, 404],
    ['GET', `/${'x'.repeat(5_000)}`, undefined, 404],
    ['PATCH', BANS, {}, 404],
    ['POST', BANS, undefined, 400],
    ['POST', BANS, '{', 400],
    ['POST', BANS, 'null', 400],
    ['POST', BANS, [], 400],
    ['POST', BANS, {}, 400],
    ['POST', BANS, { kind: 'address' }, 400],
    ['POST', BANS, { ...named, kind: 'user' }, 400],
    ['POST', BANS, { ...named, pattern: '' }, 400],
    ['POST', BANS, { ...named, pattern: 5 }, 400],
    ['POST', BANS, { ...named, pattern: 'x'.repeat(65_536) }, 400],
    ['POST', BANS, { ...named, durationMs: 0 }, 400],
    ['POST', BANS, { ...named, durationMs: '10' }, 400],
    ['POST', BANS, { ...named, duration_ms: 10 }, 400],
    ['POST', BANS, `{"kind":"username","pattern":"${'x'.repeat(1_048_576)}"}`, 413],
    ['DELETE', BANS, undefined, 400],
    ['DELETE', `${BANS}?kind=address`, undefined, 400],
    ['DELETE', `${BANS}?kind=x&pattern=y`, undefined, 400],
    ['POST', RELOAD, { dry_run: true }, 400],
    ['POST', RELOAD, { dryRun: 'yes' }, 400],
    ['POST', RELOAD, { dryRun: 1 }, 400],
    ['POST', EXPLAIN, { ...QUESTION, action: 'connect' }, 400],
    ['POST', EXPLAIN, { ...QUESTION, qos: 3 }, 400],
    ['POST', EXPLAIN, { ...QUESTION, topic: '' }, 400],
    ['POST', EXPLAIN, { ...QUESTION, groups: 'a' }, 400],
    ['POST', USERS, { username: 'u' }, 400],
    ['POST', USERS, { username: 'u', password: '' }, 400],
    ['POST', USERS, { username: 'u', password: null }, 400],
    ['PUT', `${ANN_ROUTE}/enabled`, { enabled: 'false' }, 400],
    ['PUT', `${ANN_ROUTE}/enabled`, { disabled: true }, 400],
    ['GET', `${USERS}/%`, undefined, 400],
    ['GET', `${USERS}/%ff`, undefined, 400],
  ])('%s %.60s %.60j: %i', async (method, route, body, status) => {
    const code = status === 404 ? 'unknown' : status === 413 ? 'too_large' : 'invalid';
    const message: unknown = expect.stringMatching(/./);
    expect(await ask(method, route, body)).toEqual({ status, said: { error: { code, message } } });
    expect([control.calls, log.lines]).toEqual([[], []]);
  });

  test('nor is a body that does not say that it is JSON', async () => {
    const request = http.request({ socketPath: file, method: 'POST', path: BANS, agent: false });
    request.end(JSON.stringify(named));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    expect([response.statusCode, control.calls]).toEqual([415, []]);
  });

  test('nor is what is no HTTP, or ends before it is', async () => {
    for (const bytes of ['\0\x01\x02\r\n\r\n', 'GET', `POST ${RELOAD} HTTP/1.1\r\nfoo`, '']) {
      const stranger = net.connect(file);
      stranger.on('error', () => {});
      stranger.resume();
      stranger.end(bytes);
      await once(stranger, 'close');
    }
    expect((await ask('GET', BANS)).status).toBe(200);
    expect(control.calls).toEqual([['bans.list']]);
  });
});

describe('what cannot be done', () => {
  test.each([
    ['invalid', 400],
    ['unknown', 404],
    ['exists', 409],
    ['unavailable', 503],
    ['failed', 500],
  ] as const)('says why: %s is %i', async (problem, status) => {
    control.error = new ControlError(problem, 'a sentence');
    const answered = await ask('PUT', `${ANN_ROUTE}/password`, { password: 'geheim' });
    const error = { code: problem, message: 'a sentence' };
    expect(answered).toEqual({ status, said: { error } });
    expect(JSON.stringify(log.lines)).not.toContain('geheim');
    const outcomes = log.lines.flatMap(({ fields }) => fields.outcome ?? []);
    const refused = problem === 'invalid' ? [] : [status < 500 ? 'refused' : 'failed'];
    expect(outcomes).toEqual(refused);
  });

  test('by a mistake of ours is a failure, and a line in the log', async () => {
    control.error = new TypeError('oops');
    expect(await ask('POST', RELOAD, {})).toMatchObject({ status: 500 });
    expect(log.lines).toMatchObject([
      { level: 'error', fields: { error: 'oops' } },
      { level: 'info', fields: { action: 'POST /api/v1/reload', outcome: 'failed' } },
    ]);
  });

  test('without a store is anything about users; the rest works', async () => {
    const given = new Control();
    given.hasUsers = false;
    await open(given);
    const said = { error: { code: 'unavailable' } };
    for (const [method, route] of [
      ['GET', USERS],
      ['GET', ANN_ROUTE],
      ['DELETE', ANN_ROUTE],
    ]) {
      expect(await ask(method, route)).toMatchObject({ status: 503, said });
    }
    expect((await ask('GET', BANS)).status).toBe(200);
  });
});

test('a change of a user or a ban is a line in the log, without the password', async () => {
  await ask('POST', USERS, { username: 'ann', password: 'geheim' });
  await ask('PUT', `${ANN_ROUTE}/enabled`, { enabled: false });
  await ask('POST', BANS, { kind: 'username', pattern: 'x', reason: 'why' });
  await ask('DELETE', `${BANS}?kind=username&pattern=x`);
  await ask('GET', ANN_ROUTE);
  const by = { who: 'control.sock', by: 'socket', role: 'admin', outcome: 'done' };
  const user = { username: 'ann' };
  const ban = { kind: 'username', pattern: 'x' };
  expect(log.lines.map(({ fields }) => fields)).toMatchObject([
    { ...by, action: 'POST /api/v1/users', what: user },
    { ...by, action: 'PUT /api/v1/users/:username/enabled', what: { ...user, enabled: false } },
    { ...by, action: 'POST /api/v1/bans', what: { ...ban, reason: 'why' } },
    { ...by, action: 'DELETE /api/v1/bans', what: ban },
  ]);
  expect(JSON.stringify(log.lines)).not.toContain('geheim');
});

describe('its end', () => {
  test('lets nobody in any more, and answers those who have asked', async () => {
    const held: (() => void)[] = [];
    control.held = held;
    const asked = ask('POST', RELOAD, {});
    await until(() => held.length === 1);
    const closing = socket.close();
    await expect(ask('GET', BANS)).rejects.toThrow(/ECONNREFUSED|ENOENT/);
    held[0]();
    expect(await asked).toEqual({ status: 200, said: REPORT });
    await closing;
  });

  test('does not wait for ever for an answer', async () => {
    control.held = [];
    const asked = ask('POST', RELOAD, {}).catch((error: Error) => error.message);
    await until(() => control.calls.length === 1);
    await socket.close();
    expect(await asked).toBe('socket hang up');
  });
});
