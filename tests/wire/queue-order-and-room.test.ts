import { expect, test } from 'vitest';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { startServer } from '../kit/wire.ts';

const EXPIRY = '11 0000003c'; // Session Expiry Interval 60

test('expired messages make room in a full queue for one that somebody will get [MQTT-3.3.2-5]', async () => {
  const broker = await startServer({ limits: { queueMessagesMax: 2 } });
  const before = await broker.v5('sub', true, EXPIRY);
  await before.send("82 07 0001 00 0001 't' 01");
  await before.packets();
  await before.drop();
  const publisher = await broker.v5('pub');
  for (const id of ['0001', '0002']) {
    await publisher.send(`32 0c 0001 't' ${id} 05 02 00000001 'x'`); // Message Expiry Interval 1
  }
  await broker.advance(1_500);
  await publisher.send("32 07 0001 't' 0003 00 'y'");
  const after = await broker.v5('sub', false, EXPIRY);
  await after.expect("32 07 0001 't' 0001 00 'y'");
  expect(broker.server.stats().dropped).toMatchObject({ expired: 2, queue_full: 0 });
});

test('a live QoS 0 message does not pass those that were queued [MQTT-4.6.0-5]', async () => {
  const broker = await startServer({ limits: { queueQos0: true } });
  const before = await broker.v5('sub', true, EXPIRY);
  await before.send("82 07 0001 00 0001 't' 01");
  await before.packets();
  await before.drop();
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 't' 0001 'a'");
  await publisher.send("32 06 0001 't' 0002 'b'");
  await publisher.send("30 04 0001 't' '1'");
  const after = await broker.v5('sub', false, `${EXPIRY} 21 0001`); // Receive Maximum 1
  await after.expect("32 07 0001 't' 0001 00 'a'");
  await publisher.send("30 04 0001 't' '2'");
  await after.expectNothing();
  await after.send('40 02 0001');
  await after.expect(
    "32 07 0001 't' 0002 00 'b'",
    "30 05 0001 't' 00 '1'",
    "30 05 0001 't' 00 '2'",
  );
});

test.each([
  [ReasonCode.Success, ["30 04 0001 't' 'x'"], 0],
  [ReasonCode.NotAuthorized, [], 1],
] as const)(
  'a QoS 0 message whose publisher left before the authorizer said 0x%i is delivered, or counted as dropped',
  async (verdict, expected, dropped) => {
    const answers: (() => void)[] = [];
    const broker = await startServer({
      authorizer: {
        authorizePublish: () =>
          new Promise<ReasonCode>((resolve) => {
            answers.push(() => resolve(verdict));
          }),
        authorizeSubscribe: () => ReasonCode.Success,
      },
    });
    const subscriber = await broker.v3('sub');
    await subscriber.send("82 06 0001 0001 't' 00");
    await subscriber.packets();
    const publisher = await broker.v3('pub');
    await publisher.send("30 04 0001 't' 'x'");
    await publisher.drop();
    for (const answer of answers) answer();
    await subscriber.expect(...expected);
    expect(broker.server.stats().dropped.not_authorized).toBe(dropped);
  },
);
