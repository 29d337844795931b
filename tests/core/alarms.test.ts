import { expect, test } from 'vitest';
import { Alarms } from '../../src/core/alarms.ts';
import type { Logger } from '../../src/core/logger.ts';
import { FakeClock } from '../../src/lib/clock.ts';

/** A logger that keeps level and text of its lines. */
function recorder(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = [];
  const line = (level: string) => (_fields: object, message: string) => {
    lines.push(`${level}: ${message}`);
  };
  const logger: Logger = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
    child: () => logger,
  };
  return { lines, logger };
}

test('an alarm is up from its first raise until it is cleared, and the log has a line for each', () => {
  const clock = new FakeClock();
  const { lines, logger } = recorder();
  const alarms = new Alarms(clock, logger);
  alarms.raise('disk', 'critical', 'the disk is full', { bytes: 1 });
  const sinceMs = clock.wallNow();
  clock.advance(1_000);
  alarms.raise('disk', 'critical', 'the disk is still full', { bytes: 0 });
  expect(alarms.active).toEqual([
    {
      name: 'disk',
      severity: 'critical',
      message: 'the disk is still full',
      sinceMs,
      fields: { bytes: 0 },
    },
  ]);
  expect(alarms.isRaised('disk')).toBe(true);
  alarms.clear('disk');
  alarms.clear('disk');
  expect(alarms.active).toEqual([]);
  expect(alarms.raised).toBe(1);
  expect(lines).toEqual(['error: ALARM disk: the disk is full', 'info: alarm over: disk']);
});

test('an alarm that gets worse is said again', () => {
  const { lines, logger } = recorder();
  const alarms = new Alarms(new FakeClock(), logger);
  alarms.raise('clock', 'warning', 'odd');
  alarms.raise('clock', 'critical', 'wrong');
  expect(lines).toEqual(['warn: ALARM clock: odd', 'error: ALARM clock: wrong']);
});
