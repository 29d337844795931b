// A session belongs to the identity that made it: somebody else with its client id neither takes it over nor resumes it.
// MQTT 5 §3.1.4, §5.4.2.

import { expect, test } from 'vitest';
import { CONNACK, CONNACK_PRESENT, expectDisconnected, expectRefused } from '../kit/answers.ts';
import { byName, connectAs, connectAsV3 } from '../kit/rules.ts';
import { subscribeV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

const FOR_A_MINUTE = '11 0000003c';

test('another user with the same client id is refused with 0x85, and the first stays connected', async () => {
  const broker = await startServer({ authenticator: byName });
  const first = await broker.connect(connectAs('ann', 'c'), CONNACK);
  const other = broker.open();
  await other.send(connectAs('bob', 'c'));
  await expectRefused(other, 0x85);
  await first.expectOpen();
  await first.expectNothing();
});

test('a v3.1.1 client is refused with 0x02 identifier rejected', async () => {
  const broker = await startServer({ authenticator: byName });
  const first = await broker.connect(connectAsV3('ann', 'c'), '20 02 00 00');
  const other = broker.open();
  await other.send(connectAsV3('bob', 'c'));
  await other.expectClosed('20 02 00 02');
  await first.expectOpen();
});

test('an anonymous client does not get the session of a user', async () => {
  const broker = await startServer({ authenticator: byName });
  await broker.connect(connectAs('ann', 'c'), CONNACK);
  const other = broker.open();
  await other.send("10 0e 0004 'MQTT' 05 02 0000 00 0001 'c'");
  await expectRefused(other, 0x85);
});

test('the same user takes over [MQTT-3.1.4-3]', async () => {
  const broker = await startServer({ authenticator: byName });
  const first = await broker.connect(connectAs('ann', 'c'), CONNACK);
  await broker.connect(connectAs('ann', 'c'), CONNACK);
  await expectDisconnected(first, 0x8e);
});

test('a session that waits for its client is not resumed by another user, and what is queued stays there', async () => {
  const broker = await startServer({ authenticator: byName });
  const ann = await broker.connect(connectAs('ann', 'c', true, FOR_A_MINUTE), CONNACK);
  await subscribeV5(ann, 't', 1);
  await ann.drop();
  const publisher = await broker.connect(connectAs('pub', 'p'), CONNACK);
  await publisher.send("32 07 0001 't' 0001 00 'm'");
  const other = broker.open();
  await other.send(connectAs('bob', 'c', false, FOR_A_MINUTE));
  await expectRefused(other, 0x85);
  const cleaner = broker.open();
  await cleaner.send(connectAs('bob', 'c', true)); // not by Clean Start either
  await expectRefused(cleaner, 0x85);
  const again = broker.open();
  await again.send(connectAs('ann', 'c', false, FOR_A_MINUTE));
  await again.expect(CONNACK_PRESENT, "32 07 0001 't' 0001 00 'm'");
});

test('with session_owner = discard the session ends, its client is told, and the other starts anew', async () => {
  const broker = await startServer({
    authenticator: byName,
    accessRules: { sessionOwner: 'discard' },
  });
  const ann = await broker.connect(connectAs('ann', 'c', true, FOR_A_MINUTE), CONNACK);
  await subscribeV5(ann, 't', 1);
  await broker.connect(connectAs('bob', 'c', false, FOR_A_MINUTE), CONNACK); // no session present
  await expectDisconnected(ann, 0x8e);
  expect(broker.server.stats()).toMatchObject({ sessions: 1, subscriptions: 0 });
});

test('where nobody is asked who he is, a user name is no owner', async () => {
  const broker = await startServer();
  await broker.connect(connectAs('ann', 'c', true, FOR_A_MINUTE), CONNACK);
  await broker.connect(connectAs('bob', 'c', false, FOR_A_MINUTE), CONNACK_PRESENT);
});
