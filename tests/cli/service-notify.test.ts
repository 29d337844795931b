// What a service manager is told; with the real program and a socket in tests/integration/systemd.test.ts.

import { describe, expect, test } from 'vitest';
import { ServiceNotify } from '../../src/cli/service-notify.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { LogBook } from '../kit/log-book.ts';
import { until } from '../kit/until.ts';

const SOCKET = { NOTIFY_SOCKET: '/run/notify' };

function notifier(environment: Readonly<Record<string, string>>, fails = false) {
  const said: string[] = [];
  const log = new LogBook();
  const clock = new FakeClock();
  const run = async (assignments: readonly string[]): Promise<void> => {
    said.push(assignments[0]);
    if (fails) throw new Error('there is no program systemd-notify');
  };
  return { said, log, clock, notify: new ServiceNotify(environment, log, run, clock) };
}

describe('a service manager', () => {
  test('is told in order, and after the stop began no reload is the end of it', async () => {
    const { said, notify } = notifier(SOCKET);
    notify.ready('serves');
    notify.reloading();
    notify.stopping();
    notify.ready('reloaded');
    await notify.close();
    expect(said).toEqual(['READY=1', 'RELOADING=1', 'STOPPING=1']);
  });

  test('hears nothing where none listens', async () => {
    const { said, notify } = notifier({ NOTIFY_SOCKET: '', WATCHDOG_USEC: '1000000' });
    notify.ready('serves');
    await notify.close();
    expect(said).toEqual([]);
  });

  test('that cannot be told costs one warning, and nothing more', async () => {
    const { said, log, clock, notify } = notifier({ ...SOCKET, WATCHDOG_USEC: '1000000' }, true);
    notify.ready('serves');
    await until(() => log.lines.length > 0);
    clock.advance(5_000);
    notify.stopping();
    await notify.close();
    expect(said).toEqual(['READY=1']);
    expect(log.lines).toMatchObject([
      { level: 'warn', message: 'The service manager cannot be told how the server is doing' },
    ]);
  });
});

describe('a watchdog', () => {
  test('is fed twice in its time, from ready on', async () => {
    const { said, clock, notify } = notifier({ ...SOCKET, WATCHDOG_USEC: '4000000' });
    clock.advance(10_000);
    notify.ready('serves');
    clock.advance(1_999);
    notify.ready('reloaded');
    clock.advance(1);
    clock.advance(2_000);
    await notify.close();
    clock.advance(10_000);
    await notify.close();
    expect(said).toEqual(['READY=1', 'READY=1', 'WATCHDOG=1', 'WATCHDOG=1']);
  });

  test.each([
    ['of another process', { WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' }],
    ['that is off', { WATCHDOG_USEC: '0' }],
    ['that is nonsense', { WATCHDOG_USEC: 'soon' }],
  ])('%s is not fed', async (_, environment) => {
    const { said, clock, notify } = notifier({ ...SOCKET, ...environment });
    notify.ready('serves');
    clock.advance(10_000);
    await notify.close();
    expect(said).toEqual(['READY=1']);
  });
});
