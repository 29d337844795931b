// The routes about clients and messages, against a server that is really there: what they answer, what they do not take for a
// request, and the line that each change leaves in the log.

import type { FastifyInstance } from 'fastify';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { addAllRoutes } from '../../src/admin/all-routes.ts';
import { createApp } from '../../src/admin/app.ts';
import { managementControl } from '../../src/cli/management-control.ts';
import type { ServerControl } from '../../src/server/contract.ts';
import { LogBook } from '../kit/log-book.ts';
import { publishV5, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type TestServer } from '../kit/wire.ts';

const DURABLE = '11 00000e10';
const SETTING = { path: 'log.level', value: '"info"', origin: 'default', isReloaded: false };

let broker: TestServer;
let log: LogBook;
let app: FastifyInstance;

beforeEach(async () => {
  broker = await startServer({ limits: { queueMessagesMax: 100 } });
  log = new LogBook();
  app = createApp({ logger: log });
  app.addHook('onRequest', async (request) => {
    request.identity = { kind: 'token', name: 'ops', role: 'operator' };
  });
  const management = managementControl(broker.server, {
    version: '1.2.3',
    storeType: 'memory',
    folder: null,
    startedAt: new Date(0),
    config: async () => [SETTING],
  });
  const control = { management, users: null, bans: {} } as unknown as ServerControl;
  addAllRoutes(app, control);
  onTestFinished(() => app.close());
});

type Method = 'GET' | 'POST' | 'DELETE';

async function ask(method: Method, url: string, payload?: object) {
  const response = await app.inject({ method, url: `/api/v1${url}`, payload });
  const { statusCode: status, body } = response;
  return { status, said: body.startsWith('{') || body.startsWith('[') ? JSON.parse(body) : body };
}

const get = async (url: string) => {
  const { status, said } = await ask('GET', url);
  expect(status, JSON.stringify(said)).toBe(200);
  return said;
};

async function away(clientId: string, topicFilter = '#'): Promise<void> {
  await (await subscriberV5(broker, clientId, topicFilter, 1, DURABLE)).drop();
}

describe('what is asked is answered as the server knows it', () => {
  test('clients, in pages', async () => {
    const { clients } = broker.server.management;
    for (const id of ['a', 'b', 'c']) await broker.v5(id);
    const whole = await clients.list({}, { limit: 100, after: null });
    expect(await get('/clients')).toEqual(whole);
    const first = await get('/clients?limit=2&state=connected&clientId=*');
    expect(first).toEqual({ items: whole.items.slice(0, 2), next: 'b' });
    expect(await get('/clients?limit=2&after=b')).toEqual({ items: [whole.items[2]], next: null });
  });

  test('one client, whatever its name', async () => {
    const { clients } = broker.server.management;
    for (const id of ['a/b', 'ä ö', '%', '?x=1']) {
      await subscriberV5(broker, id, 't');
      const said = await get(`/clients/${encodeURIComponent(id)}`);
      expect(said).toEqual(JSON.parse(JSON.stringify(await clients.get(id))));
      expect(said.subscriptionList).toHaveLength(1);
    }
    expect(await ask('GET', '/clients/none')).toMatchObject({ status: 404 });
  });

  test('sessions that are away', async () => {
    await away('a');
    const { clients } = broker.server.management;
    expect(await get('/sessions/offline')).toEqual(await clients.offline('bytes', 20));
    expect(await get('/sessions/offline?order=age&limit=1')).toHaveLength(1);
  });

  test('subscriptions, whom a topic reaches, and topics', async () => {
    const { subscriptions } = broker.server.management;
    const page = { limit: 100, after: null };
    await subscriberV5(broker, 'a', 'x/+');
    await subscriberV5(broker, 'b', '$share/g/y');
    expect(await get('/subscriptions')).toEqual(await subscriptions.list({}, page));
    expect((await get('/subscriptions?clientId=b&topicFilter=*y')).items).toHaveLength(1);
    expect((await get('/subscriptions/matching?topic=x/1')).items).toHaveLength(1);
    expect((await get('/topics?prefix=x')).items).toEqual([
      { topic: 'x/+', subscriptions: 1, sharedSubscriptions: 0, isRetained: false },
    ]);
  });

  test('retained messages, and one with its payload', async () => {
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'a', retain: true, payload: 'hello' }));
    const listed = (await get('/retained?filter=%23')).items;
    expect(listed).toEqual((await get('/retained')).items);
    expect(listed[0]).toMatchObject({ by: { clientId: 'p', username: null }, expiresAt: null });
    expect(await get('/retained/message?topic=a&payloadBytes=2')).toEqual({
      ...listed[0],
      ...{ encoding: 'utf8', payload: 'he', isClipped: true, properties: {} },
    });
  });

  test('a queue', async () => {
    await away('a');
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    const { queues } = broker.server.management;
    expect(await get('/clients/a/queue')).toEqual(
      await queues.peek('a', { limit: 9, after: null }),
    );
  });

  test('the server', async () => {
    expect(await get('/server')).toMatchObject({
      ...{ version: '1.2.3', pid: process.pid, state: 'running' },
      features: { persistence: false, tls: false, websocket: false },
    });
    expect(await get('/stats')).toEqual(broker.server.stats());
    expect(await get('/overload')).toEqual(broker.server.overload);
    expect(await get('/overload')).toMatchObject({ level: 0, cause: null, pausedPublishers: 0 });
    expect(await get('/listeners')).toEqual([]);
    expect(await get('/store')).toMatchObject({
      ...{ type: 'memory', folder: null, isFailing: false, sessions: 0, disk: null },
    });
    expect(await get('/config')).toEqual([SETTING]);
  });
});

test('the store says how it is doing, and listeners are told one by one', async () => {
  const { MemoryStorage } = await import('../../src/storage/memory.ts');
  const other = await startServer({
    storage: new MemoryStorage({}),
    listeners: [{ protocol: 'mqtt', host: '127.0.0.1', port: 0, name: 'plain' }],
  });
  const [listener] = other.server.management.listeners;
  expect(listener).toEqual({
    url: expect.stringMatching(/^mqtt:\/\/127\.0\.0\.1:\d+$/),
    name: 'plain',
    state: 'open',
    connections: 0,
    halfConnected: 0,
    refusals: {},
    certificateLeftDays: null,
    crlLeftDays: null,
  });
  other.server.management.drain.begin({ overMs: 0 });
  expect(other.server.management.listeners[0].state).toBe('draining');
});

describe('a change is done, and one line in the log: who, what, and what came of it', () => {
  const lines = () => log.lines.map(({ fields }) => [fields.who, fields.what, fields.result]);

  test('kick', async () => {
    const client = await broker.v5('a', true, DURABLE);
    const outcome = { clientId: 'a', wasConnected: true, sessionEnded: false, messages: 0 };
    expect(await ask('POST', '/clients/a/kick', { reasonString: 'bye' })).toEqual({
      status: 200,
      said: outcome,
    });
    await client.expectClosed("e0 08 98 06 1f 0003 'bye'");
    const what = { clientId: 'a', reasonCode: 0x98, reasonString: 'bye', endSession: false };
    const result = { wasConnected: true, sessionEnded: false, messages: 0 };
    expect(lines()).toEqual([['ops', what, result]]);
    expect(log.lines).toMatchObject([{ message: 'a change was asked for', level: 'info' }]);
  });

  test('purge', async () => {
    await away('a');
    const { said } = await ask('DELETE', '/clients/a/session');
    expect(said).toEqual({ clientId: 'a', wasConnected: false, sessionEnded: true, messages: 0 });
    expect(broker.server.stats().sessions).toBe(0);
    const result = { wasConnected: false, sessionEnded: true, messages: 0 };
    expect(lines()).toEqual([['ops', { clientId: 'a' }, result]]);
  });

  test('sessions that have been away for long; a dry run is none', async () => {
    await away('a');
    await broker.v5('here');
    await broker.advance(10_000);
    await away('b');
    const items = [{ clientId: 'a', disconnectedAt: expect.any(String), queuedMessages: 0 }];
    const told = { sessions: 1, messages: 0, items };
    const route = '/sessions/offline?forMs=10000';
    expect((await ask('DELETE', `${route}&dryRun=true`)).said).toEqual(told);
    expect([broker.server.stats().sessions, lines()]).toEqual([3, []]);
    expect((await ask('DELETE', route)).said).toEqual(told);
    expect(broker.server.stats().sessions).toBe(2);
    expect(lines()).toEqual([['ops', { forMs: '10000' }, { sessions: 1, messages: 0 }]]);
  });

  test('retained messages removed; a dry run is none', async () => {
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'a', retain: true, payload: 'x' }));
    expect((await ask('DELETE', '/retained?filter=a&dryRun=true')).said).toEqual({ messages: 1 });
    expect([broker.server.stats().retainedMessages, lines()]).toEqual([1, []]);
    expect((await ask('DELETE', '/retained?filter=a')).said).toEqual({ messages: 1 });
    expect(lines()).toEqual([['ops', { filter: 'a' }, { messages: 1 }]]);
  });

  test('publish; the payload is not in the log', async () => {
    const subscriber = await subscriberV5(broker, 's', 't');
    const { said } = await ask('POST', '/publish', { topic: 't', payload: 'secret' });
    expect(said).toEqual({ subscribers: 1, isRetained: false });
    await subscriber.expect("30 0a 0001 't' 00 'secret'");
    const what = { topic: 't', encoding: 'utf8', qos: 0, retain: false };
    expect(lines()).toEqual([['ops', what, { subscribers: 1, isRetained: false }]]);
    expect(JSON.stringify(log.lines)).not.toContain('secret');
  });

  test('a queue cleared; a dry run is none', async () => {
    await away('a');
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    expect((await ask('DELETE', '/clients/a/queue?dryRun=true')).said).toEqual({ messages: 1 });
    expect([broker.server.stats().queuedMessages, lines()]).toEqual([1, []]);
    expect((await ask('DELETE', '/clients/a/queue')).said).toEqual({ messages: 1 });
    expect(lines()).toEqual([['ops', { clientId: 'a' }, { messages: 1 }]]);
  });

  test('drain, and its undoing', async () => {
    await broker.v5('a');
    const { said } = await ask('POST', '/server/drain', { overMs: 1_000, serverReference: 'b' });
    expect(said).toMatchObject({ isDraining: true, serverReference: 'b', left: 1 });
    expect((await get('/server')).state).toBe('draining');
    for (let i = 0; i < 12; i++) await broker.advance(100);
    expect(await get('/server/drain')).toMatchObject({ disconnected: 1, left: 0 });
    expect((await ask('DELETE', '/server/drain')).said).toMatchObject({ isDraining: false });
    expect(lines()).toMatchObject([
      ['ops', { overMs: 1_000, serverReference: 'b', isPermanent: false }, { left: 1 }],
      ['ops', {}, { disconnected: 1, left: 0 }],
    ]);
  });
});

const NO_REQUESTS: readonly (readonly [Method, string, object?])[] = [
  ['GET', '/clients?limit=0'],
  ['GET', '/clients?limit=1001'],
  ['GET', '/clients?limit=1e2'],
  ['GET', '/clients?limt=1'],
  ['GET', '/clients?state=gone'],
  ['GET', '/clients?address=nowhere'],
  ['GET', '/sessions/offline?order=name'],
  ['DELETE', '/sessions/offline'],
  ['DELETE', '/sessions/offline?forMs=1'],
  ['GET', '/subscriptions/matching'],
  ['GET', '/retained?filter=a%23'],
  ['GET', '/retained/message'],
  ['GET', '/retained/message?topic=a&payloadBytes=1048577'],
  ['DELETE', '/retained'],
  ['DELETE', '/retained?filter=%23&dryRun=yes'],
  ['DELETE', '/retained?filter=%23&dry_run=true'],
  ['POST', '/clients/a/kick', { reasonCode: 4 }],
  ['POST', '/clients/a/kick', { reasonCode: '152' }],
  ['POST', '/clients/a/kick', { endsession: true }],
  ['POST', '/clients/a/kick', { serverReference: 'b' }],
  ['DELETE', '/clients/none/session'],
  ['DELETE', '/clients/none/queue'],
  ['GET', '/clients/a/queue?after=x'],
  ['POST', '/publish', { topic: 't' }],
  ['POST', '/publish', { topic: 't', payload: 5 }],
  ['POST', '/publish', { topic: 't', payload: '', qos: 3 }],
  ['POST', '/publish', { topic: 't', payload: '', encoding: 'hex' }],
  ['POST', '/publish', { topic: 't', payload: '', properties: { topicAlias: 1 } }],
  ['POST', '/publish', { topic: 't/#', payload: '' }],
  ['POST', '/server/drain', { overMs: -1 }],
  ['POST', '/server/drain', { over: '1h' }],
  ['POST', '/server/drain', { serverReference: '' }],
];

test('what is no request is refused in words, and changes nothing', async () => {
  const client = await broker.v5('a');
  for (const [method, url, body] of NO_REQUESTS) {
    const { status, said } = await ask(method, url, body);
    expect([400, 404], `${method} ${url} ${JSON.stringify(body)}`).toContain(status);
    expect(JSON.stringify(said)).toMatch(/\w/);
  }
  expect(log.lines.filter(({ fields }) => fields.outcome !== 'refused')).toEqual([]);
  await client.expectOpen();
});
