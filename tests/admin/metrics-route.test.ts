// GET /metrics as it is served: on the control socket, by the server that `iothub start` puts together.

import { once } from 'node:events';
import http from 'node:http';
import path from 'node:path';
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { ControlSocket } from '../../src/admin/control-socket.ts';
import { addMetricsRoute } from '../../src/admin/metrics-routes.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import { guardSettings } from '../../src/cli/access/guard.ts';
import { metricsControl } from '../../src/cli/access/metrics.ts';
import { DEFAULT_CONFIG, type MetricsConfig } from '../../src/config/config.ts';
import type { ServerControl } from '../../src/server/contract.ts';
import { Server } from '../../src/server/server.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { samplesOf } from '../kit/metrics.ts';
import { NO_MANAGEMENT } from '../kit/no-management.ts';

const BESIDE = { admin: { certificates: [] }, log: { state: () => ({ lostLines: 7 }) } };

async function served(config: Partial<MetricsConfig> = {}): Promise<string> {
  const guard = new Guard({ settings: guardSettings(DEFAULT_CONFIG.penalties) });
  const server = new Server({ guard });
  await server.start();
  await guard.bans.add({
    ...{ kind: 'username', pattern: 'eve', reason: '', durationMs: null, origin: 'test' },
  });
  const settings = { ...DEFAULT_CONFIG.metrics, ...config };
  const metrics = metricsControl(server, guard, BESIDE, settings, '1.2.3');
  const file = path.join(temporaryFolder(), 's');
  const socket = await ControlSocket.open({
    control: { metrics, management: NO_MANAGEMENT } as ServerControl,
    logger: new LogBook(),
    bind: async (listen) => listen(file),
  });
  onTestFinished(async () => {
    await socket.close();
    await server.stop();
  });
  return file;
}

async function get(socketPath: string, accept?: string) {
  const headers = accept === undefined ? {} : { accept };
  const request = http.get({ socketPath, path: '/metrics', headers, agent: false });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  let text = '';
  for await (const chunk of response) text += chunk;
  return { status: response.statusCode, type: response.headers['content-type'], text };
}

test('the page is text, with what the guard and the log know', async () => {
  const { status, type, text } = await get(await served());
  expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(samplesOf(text).get('iothub_bans')).toBe(1);
  expect(samplesOf(text).get('iothub_log_lines_lost_total')).toBe(7);
});

test('the page is OpenMetrics for who accepts it', async () => {
  const { status, type, text } = await get(await served(), 'application/openmetrics-text');
  expect([status, type]).toEqual([
    200,
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
  ]);
  expect(text.endsWith('# EOF\n')).toBe(true);
});

test('names of others are there if the configuration wishes them', async () => {
  const { text } = await get(await served({ compat: ['emqx'] }));
  expect(samplesOf(text).has('emqx_sessions_count')).toBe(true);
  expect(samplesOf(text).has('broker_uptime')).toBe(false);
});

test('who asks while it is being counted gets the same; who asks later gets new figures', async () => {
  const guard = new Guard({ settings: guardSettings(DEFAULT_CONFIG.penalties) });
  const server = new Server({ guard });
  await server.start();
  onTestFinished(() => server.stop());
  const { metrics } = DEFAULT_CONFIG;
  const control = metricsControl(server, guard, BESIDE, metrics, '1.2.3');
  const [first, second] = await Promise.all([control?.snapshot(), control?.snapshot()]);
  expect(second).toBe(first);
  server.metrics.penalties++;
  expect((await control?.snapshot())?.counters.penalties).toBe(1);
  expect(first?.counters.penalties).toBe(0);
});

test('where metrics are switched off the answer says so', async () => {
  const { status, text } = await get(await served({ enabled: false }));
  expect(status).toBe(503);
  expect(JSON.parse(text).error.code).toBe('unavailable');
  expect(JSON.parse(text).error.message).toContain('--no-metrics');
});

test('the route says that viewers may ask, and on loopback anybody', async () => {
  const routes: { url: string; config?: object }[] = [];
  const app = Fastify();
  app.addHook('onRoute', (route) => void routes.push(route));
  addMetricsRoute(app, { metrics: null } as ServerControl);
  await app.ready();
  const own = routes.find(({ url }) => url === '/metrics');
  expect(own?.config).toMatchObject({ role: 'viewer', openOnLoopback: true });
  await app.close();
});
