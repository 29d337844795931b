// Readiness: what a server says of itself while it starts, serves, fails and stops.

import { expect, onTestFinished, test } from 'vitest';
import { Alarms } from '../../src/core/alarms.ts';
import { SILENT } from '../../src/core/logger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { Health } from '../../src/server/health.ts';
import { Server, type ServerState } from '../../src/server/server.ts';

/** A server that is in this state. */
class Looked {
  state: ServerState = 'running';
  readonly alarms = new Alarms(new FakeClock(), SILENT);
}

const namesOf = (health: Health): string[] => health.problems().map(({ name }) => name);

test('a server is ready while it runs, and neither before nor after', async () => {
  const server = new Server();
  onTestFinished(() => server.stop());
  const health = new Health(server);
  expect(namesOf(health)).toEqual(['restoring']);
  const starting = server.start();
  expect(namesOf(health)).toEqual(['restoring']);
  await starting;
  expect(namesOf(health)).toEqual([]);
  const stopping = server.stop();
  expect(namesOf(health)).toEqual(['stopping']);
  await stopping;
  expect(namesOf(health)).toEqual(['stopping']);
});

test('a server whose start failed is not ready', async () => {
  const prepareAccess = () => Promise.reject(new Error('no'));
  const server = new Server({ prepareAccess });
  const health = new Health(server);
  await expect(server.start()).rejects.toThrow('no');
  expect(namesOf(health)).toEqual(['stopping']);
});

test('a store that cannot be written says so until it can; other alarms do not count', () => {
  const server = new Looked();
  const health = new Health(server);
  server.alarms.raise('reload_failed', 'warning', 'a reload failed');
  expect(namesOf(health)).toEqual([]);
  server.alarms.raise('store_failing', 'critical', 'the disk is full');
  expect(health.problems()).toEqual([{ name: 'store_failing', message: 'the disk is full' }]);
  server.alarms.clear('store_failing');
  expect(namesOf(health)).toEqual([]);
});

test('other parts have reasons of their own, which are asked each time', () => {
  const health = new Health(new Looked());
  let reason: string | null = null;
  health.add('draining', () => reason);
  expect(namesOf(health)).toEqual([]);
  reason = 'an operator wants it';
  expect(health.problems()).toEqual([{ name: 'draining', message: reason }]);
  health.add('draining', () => null);
  expect(namesOf(health)).toEqual([]);
});
