// Lost messages in the log: a line for each client and reason, then their number, and never more lines than a log can bear.

import { expect, test } from 'vitest';
import { DropReason } from '../../src/core/drop.ts';
import type { Logger } from '../../src/core/logger.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { TimerWheel } from '../../src/lib/timer-wheel.ts';
import type { SessionRegistry } from '../../src/session/context.ts';
import { DropLog } from '../../src/session/drop-log.ts';
import { LogBook } from '../kit/log-book.ts';

const { QueueFull, OutputFull, NoSubscriber, NotAuthorized, Shutdown } = DropReason;
const LOST = 'messages for a client are lost: its queue is full';
const MORE = 'messages of more clients were lost than are named in the log';

function make(addressOf: (clientId: string) => string = () => '', logger?: Logger) {
  const clock = new FakeClock();
  const book = new LogBook();
  const wheel = new TimerWheel(clock);
  const get = (clientId: string) => ({ client: { remoteAddress: addressOf(clientId) } });
  const registry = { get } as unknown as Pick<SessionRegistry, 'get'>;
  return { clock, book, wheel, log: new DropLog(logger ?? book, wheel, registry) };
}

test('the first comes at once, and the number of those that followed after ten seconds', () => {
  const { clock, book, log } = make();
  log.onDrop(QueueFull, 'c', 'a', 1, 10);
  for (let i = 0; i < 4; i++) log.onDrop(QueueFull, 'c', 'b', 2, 12);
  const fields = { reason: 'queue_full', clientId: 'c' };
  const first = { ...fields, topic: 'a', count: 1, queuedMessages: 10 };
  expect(book.lines).toEqual([{ level: 'warn', fields: first, message: LOST }]);
  clock.advance(10_200);
  const then = { ...fields, topic: 'b', count: 8, queuedMessages: 12 };
  expect(book.lines[1]).toEqual({ level: 'warn', fields: then, message: LOST });
  expect(book.lines).toHaveLength(2);
});

test('after ten quiet seconds the next comes at once again, and nothing is kept', () => {
  const { clock, book, wheel, log } = make(() => '192.0.2.1');
  log.onDrop(QueueFull, 'c', 't', 1, 1);
  clock.advance(20_300);
  expect(wheel.armed).toBe(0);
  log.onDrop(QueueFull, 'c', 't', 1, 1);
  expect(book.lines).toHaveLength(2);
});

test('another client and another reason are lines of their own', () => {
  const { book, log } = make();
  log.onDrop(QueueFull, 'a', 't', 1, 1);
  log.onDrop(QueueFull, 'b', 't', 1, 1);
  log.onDrop(OutputFull, 'b', 't', 1, 70_000);
  expect(book.lines).toHaveLength(3);
  expect(book.lines[2].fields).toMatchObject({ outputBytes: 70_000 });
});

test('what a flood of clients loses is told as a number', () => {
  const { clock, book, log } = make();
  for (let i = 0; i < 300; i++) log.onDrop(QueueFull, `c${i}`, 't', 1, 1);
  expect(book.lines).toHaveLength(256);
  clock.advance(10_200);
  expect(book.lines.slice(256)).toEqual([{ level: 'warn', fields: { count: 44 }, message: MORE }]);
});

test('one address has sixteen lines, however many client ids it comes with; others have theirs', () => {
  const { book, log } = make((clientId) => (clientId === 'well' ? '192.0.2.2' : '192.0.2.1'));
  for (let i = 0; i < 300; i++) log.onDrop(QueueFull, `c${i}`, 't', 1, 1);
  log.onDrop(QueueFull, 'well', 't', 1, 1);
  expect(book.lines).toHaveLength(17);
  expect(book.lines[16].fields).toMatchObject({ clientId: 'well' });
});

test('an address that was quiet has its lines again', () => {
  const { clock, book, log } = make(() => '192.0.2.1');
  const flood = () => {
    for (let i = 0; i < 20; i++) log.onDrop(QueueFull, `c${i}`, 't', 1, 1);
  };
  flood();
  clock.advance(20_300);
  book.lines.length = 0;
  flood();
  expect(book.lines).toHaveLength(16);
});

test('what is usual is told only where somebody wants debug lines', () => {
  const told = make();
  told.log.onDrop(NoSubscriber, 'c', 't', 1, -1);
  expect(told.book.lines).toMatchObject([{ level: 'debug' }]);
  const quiet = new LogBook();
  const logger = Object.assign(quiet, { isLevelEnabled: (level: string) => level !== 'debug' });
  const { log, wheel } = make(undefined, logger);
  log.onDrop(NoSubscriber, 'c', 't', 1, -1);
  expect(quiet.lines).toEqual([]);
  expect(wheel.armed).toBe(0);
});

test('denials are left to the log of denials, and the end of the server is one line', () => {
  const { book, log } = make();
  log.onDrop(NotAuthorized, 'c', 't', 1, -1);
  expect(book.lines).toEqual([]);
  for (let i = 0; i < 9; i++) log.onDrop(Shutdown, `c${i}`, 't', 1, -1);
  log.close();
  expect(book.lines).toMatchObject([{ fields: { count: 1 } }, { fields: { count: 8 } }]);
  expect(book.lines[0].fields).not.toHaveProperty('clientId');
});

test('text of clients is cut, and only in the fields', () => {
  const { book, log } = make();
  log.onDrop(QueueFull, 'c'.repeat(1_000), 't'.repeat(1_000), 1, 1);
  const { fields, message } = book.lines[0];
  expect(message).toBe(LOST);
  expect(String(fields.clientId)).toHaveLength(128);
  expect(String(fields.topic)).toHaveLength(128);
});
