// Live events: what readers are told, and what those cost who do not read.

import { once } from 'node:events';
import http from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { EventFeed, type EventOutput, READERS_MAX } from '../../src/admin/event-feed.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import type { EventTotals } from '../../src/server/contract/events.ts';
import { eventControl } from '../../src/server/event-totals.ts';
import { Health } from '../../src/server/health.ts';
import { Server } from '../../src/server/server.ts';
import { openApi } from './api.ts';

const NOTHING: EventTotals = {
  ...{ connectionsOpened: 0, connectionsClosed: 0, connectionsRefused: 0, failedLogins: 0 },
  ...{ dropped: { no_subscriber: 0, expired: 0 }, alarms: [], problems: [] },
};
const ALARM = { name: 'a', severity: 'warning', message: 'm\nn', since: 's' } as const;

class Output implements EventOutput {
  writableLength = 0;
  text = '';
  isEnded = false;

  write(text: string): boolean {
    this.text += text;
    return true;
  }

  end(): void {
    this.isEnded = true;
  }

  /** What came since the last time, as events. */
  take(): [name: string, data: unknown][] {
    const found = [...this.text.matchAll(/^event: (.*)\ndata: (.*)\n\n/gm)];
    this.text = '';
    return found.map(([, name, data]) => [name, JSON.parse(data)]);
  }
}

class Feed {
  readonly clock = new FakeClock();
  totals: EventTotals = NOTHING;
  readonly feed = new EventFeed({ totals: () => this.totals }, this.clock);

  reader(): Output {
    const output = new Output();
    expect(this.feed.add(output)).toBe(true);
    return output;
  }

  later(totals: Partial<EventTotals>, ms = 1_000): void {
    this.totals = { ...this.totals, ...totals };
    this.clock.advance(ms);
  }
}

describe('a reader', () => {
  test('is told how it is, then once a second what has changed', () => {
    const feed = new Feed();
    feed.totals = { ...NOTHING, alarms: [ALARM] };
    const reader = feed.reader();
    expect(reader.take()).toEqual([
      ['readiness', { isReady: true, problems: [] }],
      ['alarm', { ...ALARM, isOver: false }],
    ]);
    feed.later({ connectionsOpened: 3, dropped: { no_subscriber: 0, expired: 2 } });
    expect(reader.take()).toEqual([
      ['connections', { opened: 3, closed: 0, refused: 0, failedLogins: 0 }],
      ['drops', { expired: 2 }],
    ]);
    const problems = [{ name: 'stopping', message: 'it stops' }];
    feed.later({ connectionsClosed: 1, alarms: [], problems });
    expect(reader.take()).toEqual([
      ['connections', { opened: 0, closed: 1, refused: 0, failedLogins: 0 }],
      ['alarm', { ...ALARM, isOver: true }],
      ['readiness', { isReady: false, problems }],
    ]);
    feed.later({});
    expect(reader.text).toBe('');
  });

  test('hears a comment where nothing happens, and comes again after a while', () => {
    const feed = new Feed();
    const reader = feed.reader();
    reader.take();
    feed.later({}, 14_000);
    expect(reader.text).toBe('');
    feed.later({}, 1_000);
    expect(reader.text).toBe(': still here\n\n');
    feed.later({}, 584_000);
    expect([reader.isEnded, feed.feed.size]).toEqual([false, 1]);
    feed.later({}, 1_000);
    expect([reader.isEnded, feed.feed.size]).toEqual([true, 0]);
  });

  test('that does not read is told the sum when it does', () => {
    const feed = new Feed();
    const [slow, quick] = [feed.reader(), feed.reader()];
    slow.take();
    quick.take();
    slow.writableLength = 100_000;
    feed.later({ connectionsOpened: 1 });
    feed.later({ connectionsOpened: 3 });
    expect([slow.text, quick.take().length]).toEqual(['', 2]);
    slow.writableLength = 0;
    feed.later({});
    expect(slow.take()).toEqual([
      ['connections', { opened: 3, closed: 0, refused: 0, failedLogins: 0 }],
    ]);
  });

  test('is one of so many, and costs nothing when it is gone', () => {
    const feed = new Feed();
    const readers = Array.from({ length: READERS_MAX }, () => feed.reader());
    expect(feed.feed.add(new Output())).toBe(false);
    for (const reader of readers) feed.feed.remove(reader);
    let asked = 0;
    Object.defineProperty(feed, 'totals', { get: () => asked++ });
    feed.clock.advance(10_000);
    expect(asked).toBe(0);
  });
});

test('the route goes on until the server stops', async () => {
  const api = await openApi();
  const headers = { authorization: 'Bearer viewer-token' };
  const place = { host: '127.0.0.1', port: api.port, path: '/api/v1/events', agent: false };
  expect(await api.status('GET', '/api/v1/events')).toBe(401);
  const request = http.get({ ...place, headers });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  expect([response.statusCode, response.headers['content-type']]).toEqual([
    ...[200, 'text/event-stream'],
  ]);
  expect(response.headers['x-content-type-options']).toBe('nosniff');
  const [first] = (await once(response, 'data')) as [Buffer];
  expect(String(first)).toContain('event: readiness\ndata: {"isReady":true,"problems":[]}\n\n');
  const ended = once(response, 'end');
  response.resume();
  await api.listener.retire();
  await ended;
});

test('the totals are those of the server', async () => {
  const server = new Server();
  const health = new Health(server);
  const events = eventControl(server, health);
  expect(events.totals().problems).toMatchObject([{ name: 'restoring' }]);
  await server.start();
  onTestFinished(() => server.stop());
  const before = events.totals();
  server.connect();
  server.drops.drop(0, null, 't', 2);
  server.alarms.raise('some_alarm', 'critical', 'look');
  const after = events.totals();
  expect(after.connectionsOpened - before.connectionsOpened).toBe(1);
  expect(Object.values(after.dropped)[0]).toBe(2);
  expect(after.alarms).toMatchObject([{ name: 'some_alarm', severity: 'critical' }]);
});
