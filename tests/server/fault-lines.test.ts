// Errors that a client may cause again and again come at a bounded rate.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { LogBook } from '../kit/log-book.ts';
import { startServer } from '../kit/wire.ts';

/** Lets everybody do everything, and fails to say who may receive. */
const BROKEN: Authorizer = {
  authorizePublish: () => ReasonCode.Success,
  authorizeSubscribe: () => ReasonCode.Success,
  authorizeReceive: () => {
    throw new Error('broken');
  },
};

test('an authorizer that fails on each of a thousand messages is one line, then a number', async () => {
  const book = new LogBook();
  const broker = await startServer({ logger: book, authorizer: BROKEN });
  const subscriber = await broker.v5('c');
  await subscriber.send("82 09 0001 00 0003 't/#' 00");
  const publisher = await broker.v5('p');
  for (let i = 0; i < 1_000; i++) {
    const topic = `t/${1_000 + i}`;
    publisher.write(`30 0a 0006 '${topic}' 00 'x'`);
  }
  await publisher.send('c0 00');
  const told = () =>
    book.lines.filter(({ message }) => message === 'the authorizer failed on a delivery');
  expect(told()).toMatchObject([
    { level: 'error', fields: { clientId: 'c', error: 'Error: broken' } },
  ]);
  await broker.advance(10_100);
  expect(told()).toHaveLength(2);
  expect(told()[1].fields.again).toBe(999);
});
