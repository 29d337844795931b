// Which lines are written: by module, by client, and for how long.

import { expect, test } from 'vitest';
import { createLog } from '../../src/cli/logger.ts';
import type { LogConfig } from '../../src/config/config.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { FakeOutput } from '../kit/fake-output.ts';
import { startServer } from '../kit/wire.ts';

function make(config: Partial<LogConfig> = {}) {
  const clock = new FakeClock();
  const output = new FakeOutput();
  const log = createLog({ format: 'json', ...config }, output, clock);
  const told = () => output.entries.map(({ msg }) => msg);
  return { clock, log, output, told };
}

const MINUTE = { module: null, client: null, durationMs: 60_000 } as const;

test('a module has its own level, and its lines say which module it is', () => {
  const { log, output } = make({ level: 'warn', levels: { access: 'debug' } });
  log.logger.child({ module: 'session' }).info({}, 'no');
  log.logger.child({ module: 'access' }).debug({}, 'yes');
  expect(output.entries).toMatchObject([{ module: 'access', level: 'debug', msg: 'yes' }]);
});

test('a child of another kind has the level of its parent', () => {
  const { log, told } = make({ level: 'warn', levels: { access: 'debug' } });
  log.logger.child({ module: 'access' }).child({ plugin: 'server' }).debug({}, 'yes');
  expect(told()).toEqual(['yes']);
});

test('a level that is raised holds for loggers that are there, until its time is over', () => {
  const { clock, log, told } = make();
  const logger = log.logger.child({ module: 'storage' });
  logger.debug({}, 'too early');
  log.control.raise({ ...MINUTE, level: 'debug', module: 'storage' });
  expect(logger.isLevelEnabled?.('debug')).toBe(true);
  expect(log.logger.child({ module: 'session' }).isLevelEnabled?.('debug')).toBe(false);
  logger.debug({}, 'now');
  clock.advance(59_000);
  logger.debug({}, 'still');
  clock.advance(1_000);
  logger.debug({}, 'too late');
  expect(told()).toEqual(['now', 'still', 'a raised log level is over']);
  expect(log.control.state().raised).toEqual([]);
});

test('a level may be lowered, too; what is said of a module goes before what is said of all', () => {
  const { log, told } = make();
  log.control.raise({ ...MINUTE, level: 'silent' });
  log.control.raise({ ...MINUTE, level: 'info', module: 'access' });
  log.logger.error({}, 'no');
  log.logger.child({ module: 'access' }).info({}, 'yes');
  expect(told()).toEqual(['yes']);
});

test('who silences the log cannot hide that: what the module admin says as configured it says', () => {
  const { log, told } = make();
  const audit = log.logger.child({ module: 'admin' });
  for (const module of [null, 'admin'] as const) {
    log.control.raise({ ...MINUTE, level: 'silent', module });
    audit.info({}, 'a change was asked for');
    audit.debug({}, 'no');
  }
  log.control.raise({ ...MINUTE, level: 'debug', module: 'admin' });
  audit.debug({}, 'yes');
  expect(told()).toEqual(['a change was asked for', 'a change was asked for', 'yes']);
});

test('lines about one client, or those that fit a pattern, and no others', () => {
  const { clock, log, output } = make({ level: 'error' });
  const logger = log.logger.child({ module: 'session' });
  log.control.raise({ ...MINUTE, level: 'debug', client: 'sensor-*' });
  expect(logger.isLevelEnabled?.('debug')).toBe(true);
  for (const clientId of ['sensor-1', 'other', null]) logger.debug({ clientId }, 'm');
  logger.debug({}, 'm');
  expect(output.entries.map(({ clientId }) => clientId)).toEqual(['sensor-1']);
  expect(log.levels.isFollowed('sensor-2')).toBe(true);
  expect(log.levels.isFollowed('other')).toBe(false);
  clock.advance(60_000);
  expect(logger.isLevelEnabled?.('debug')).toBe(false);
  expect(log.levels.isFollowed('sensor-2')).toBe(false);
});

test('of a client in one module only', () => {
  const { log, told } = make();
  log.control.raise({ ...MINUTE, level: 'debug', client: 'c', module: 'access' });
  log.logger.child({ module: 'session' }).debug({ clientId: 'c' }, 'no');
  log.logger.child({ module: 'access' }).debug({ clientId: 'c' }, 'yes');
  expect(told()).toEqual(['yes']);
});

test('what is said again of the same takes its place; a reset takes all back', () => {
  const { log } = make();
  log.control.raise({ ...MINUTE, level: 'debug' });
  const raised = log.control.raise({ ...MINUTE, level: 'warn' });
  expect(log.control.state()).toMatchObject({ level: 'info', levels: {}, raised: [raised] });
  expect(raised.expiresAt).toBe('2023-11-14T22:14:20.000Z');
  expect(log.control.reset()).toBe(1);
  expect(log.logger.isLevelEnabled?.('info')).toBe(true);
  expect(log.control.state().raised).toEqual([]);
});

test('there is a bound to how many are raised', () => {
  const { log } = make();
  for (let i = 0; i < 64; i++) log.control.raise({ ...MINUTE, level: 'debug', client: `c${i}` });
  const more = () => log.control.raise({ ...MINUTE, level: 'debug', client: 'more' });
  expect(more).toThrow('64 log levels are raised already');
});

test('a reload changes what is configured, and leaves what was raised', () => {
  const { log, told } = make();
  log.control.raise({ ...MINUTE, level: 'debug', module: 'access' });
  log.levels.configure({ level: 'warn', levels: {} });
  log.logger.info({}, 'no');
  log.logger.child({ module: 'access' }).debug({}, 'yes');
  expect(told()).toEqual(['yes']);
});

test('who is followed has each packet as a line, with topics and no payload', async () => {
  const clock = new FakeClock();
  const output = new FakeOutput();
  const { control, logger } = createLog({ format: 'json', level: 'warn' }, output, clock);
  const broker = await startServer({ clock, logger });
  const [followed, other] = [await broker.v5('c'), await broker.v5('d')];
  control.raise({ ...MINUTE, level: 'debug', client: 'c' });
  await followed.send("33 08 0001 't' 0007 00 'pw'");
  await other.send("30 05 0001 't' 00 'x'");
  expect(output.entries.filter(({ msg }) => msg === 'packet received')).toMatchObject([
    {
      level: 'debug',
      module: 'session',
      clientId: 'c',
      packet: 'PUBLISH',
      bytes: 10,
      topic: 't',
      qos: 1,
      retain: true,
      dup: false,
      msg: 'packet received',
    },
  ]);
  expect(output.text.join('')).not.toContain('pw');
  await broker.advance(60_000);
  await followed.send('c0 00');
  expect(output.entries.at(-1)?.packet).not.toBe('PINGREQ');
});

test('whoever looks at lines elsewhere gets them escaped, too', () => {
  const { log } = make();
  const seen: string[] = [];
  const end = log.control.follow((line) => seen.push(line));
  log.logger.info({ clientId: 'a\u202e\u009b' }, 'm');
  end();
  log.logger.info({}, 'unseen');
  expect(seen).toHaveLength(1);
  expect(seen[0]).toMatch(/^[\x20-\x7e]*\n$/);
  expect(log.control.last(2)[0]).toBe(seen[0]);
});

test('the last lines are kept, oldest first, a bounded number of them', () => {
  const { log } = make();
  for (let i = 0; i < 1_005; i++) log.logger.info({ i }, 'm');
  const numbers = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).i);
  expect(numbers(log.control.last(2))).toEqual([1_003, 1_004]);
  expect(numbers(log.control.last(5_000))).toHaveLength(1_000);
  expect(numbers(log.control.last(5_000))[0]).toBe(5);
  expect(log.control.last(0)).toEqual([]);
});
