// The routes of the log: levels for a while, and lines as they come.

import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { askServer, followServer, openControlSocket } from '../../src/cli/control.ts';
import { createLog } from '../../src/cli/logger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import type { LogState } from '../../src/server/contract/log.ts';
import { ControlError, type ServerControl } from '../../src/server/contract.ts';
import { FakeOutput } from '../kit/fake-output.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { until } from '../kit/until.ts';

async function open() {
  const folder = temporaryFolder();
  const book = new LogBook();
  const log = createLog({ format: 'json' }, new FakeOutput(), new FakeClock());
  // What the other routes would ask, which nobody asks for here.
  const management = { clients: {}, queues: {}, retained: {}, server: {}, subscriptions: {} };
  const control = { log: log.control, users: null, management } as unknown as ServerControl;
  onTestFinished(await openControlSocket(folder, control, book));
  const ask = (method: 'GET' | 'PUT' | 'DELETE', body?: unknown) =>
    askServer(folder, method, '/api/v1/log', body);
  return { ask, book, folder, log };
}

test('a level is raised for ten minutes unless it is said for how long, and taken back', async () => {
  const { ask, book, log } = await open();
  const raised = await ask('PUT', { level: 'debug', client: 'c' });
  expect(raised).toEqual({
    level: 'debug',
    module: null,
    client: 'c',
    expiresAt: '2023-11-14T22:23:20.000Z',
  });
  await ask('PUT', { level: 'warn', module: 'storage', durationMs: 1_000 });
  const state = (await ask('GET')) as LogState;
  expect(state).toMatchObject({ level: 'info', levels: {}, lostLines: 0 });
  expect(state.raised).toEqual(log.control.state().raised);
  expect(state.raised).toHaveLength(2);
  expect(await ask('DELETE')).toEqual({ reset: 2 });
  expect(((await ask('GET')) as LogState).raised).toEqual([]);
  const audited = book.lines.filter(({ message }) => message === 'a change was asked for');
  expect(audited.map(({ fields }) => fields.action)).toEqual([
    'PUT /api/v1/log',
    'PUT /api/v1/log',
    'DELETE /api/v1/log',
  ]);
  expect(audited[0].fields.what).toMatchObject({ level: 'debug', client: 'c' });
});

test.each([
  [{}, 'level'],
  [{ level: 'loud' }, 'level'],
  [{ level: 'debug', module: 'kitchen' }, 'module'],
  [{ level: 'debug', client: '' }, 'client'],
  [{ level: 'debug', durationMs: 86_400_001 }, 'durationMs'],
  [{ level: 'debug', forever: true }, 'additional properties'],
])('what makes no sense is refused: %j', async (body, named) => {
  const { ask, log } = await open();
  await expect(ask('PUT', body)).rejects.toThrow(named);
  expect(log.control.state().raised).toEqual([]);
});

test('lines are told as they come, after the last ones, until nobody follows', async () => {
  const { folder, log } = await open();
  for (const i of [1, 2, 3]) log.logger.info({ i }, 'm');
  const ended = new AbortController();
  let text = '';
  const following = followServer(
    folder,
    '/api/v1/log/lines?last=2&follow=true',
    (said) => {
      text += said;
    },
    ended.signal,
  );
  await until(() => text.split('\n').length === 3);
  log.logger.info({ i: 4 }, 'm');
  await until(() => text.split('\n').length === 4);
  const numbers = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).i);
  expect(numbers).toEqual([2, 3, 4]);
  ended.abort();
  await following;
});

test('who follows and does not read loses lines, is told how many, and holds up nobody', async () => {
  const { folder, log } = await open();
  const socketPath = path.join(folder, 'control.sock');
  const request = http.get({ socketPath, path: '/api/v1/log/lines?last=0&follow=true' });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  response.pause();
  const filler = 'x'.repeat(10_000);
  for (let i = 0; i < 1_000; i++) log.logger.info({ filler }, 'm');
  let text = '';
  response.setEncoding('utf8').on('data', (said) => {
    text += said;
  });
  response.resume();
  // What is told of the loss comes with the next line that there is room for.
  await until(() => {
    log.logger.info({}, 'small');
    return /^\{"lostLines":\d+\}$/m.test(text);
  });
  const lost = Number(/^\{"lostLines":(\d+)\}$/m.exec(text)?.[1]);
  expect(lost).toBeGreaterThan(100);
  request.destroy();
});

test('more followers than there may be are refused', async () => {
  const { folder, log } = await open();
  for (let i = 0; i < 16; i++) log.control.follow(() => {});
  const following = followServer(
    folder,
    '/api/v1/log/lines?follow=true',
    () => {},
    new AbortController().signal,
  );
  await expect(following).rejects.toThrow(ControlError);
});

test('the last lines alone, and no more than a number of them', async () => {
  const { folder, log } = await open();
  log.logger.info({ clientId: 'a\n' }, 'm');
  const lines = (await askServer(folder, 'GET', '/api/v1/log/lines?last=5')) as object;
  expect(lines).toMatchObject({ clientId: 'a\n', msg: 'm' });
  await expect(askServer(folder, 'GET', '/api/v1/log/lines?last=-1')).rejects.toThrow('last');
});
