// Where no rules say otherwise, clients may do everything but with topics that begin with `$`: those are the server's own.
// MQTT 5 §4.7.2.

import { expect, test } from 'vitest';
import type { Authorizer } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { CONNACK, CONNACK_PRESENT, expectRefused } from '../kit/answers.ts';
import { subscriberV5 } from '../kit/traffic.ts';
import { connectPacket, startServer } from '../kit/wire.ts';

const FOR_A_MINUTE = '11 0000003c';

test('a PUBLISH there is refused: v5 with 0x87, v3.1.1 acknowledged and dropped', async () => {
  const broker = await startServer();
  const five = await broker.v5('a');
  await five.send("32 0b 0006 '$SYS/a' 0001 00 32 06 0001 't' 0002 00");
  await five.expect('40 03 0001 87', '40 03 0002 10');
  const three = await broker.v3('b');
  await three.send("32 0a 0006 '$SYS/a' 0001");
  await three.expect('40 02 0001');
  expect(broker.server.stats().dropped.not_authorized).toBe(2);
});

test('a SUBSCRIBE there is refused, shared or not: v5 with 0x87, v3.1.1 with 0x80', async () => {
  const broker = await startServer();
  const five = await broker.v5('a');
  await five.send("82 20 0001 00 0006 '$SYS/#' 00 000d '$share/g/$x/#' 00 0001 '#' 00");
  await five.expect('90 06 0001 00 87 87 00');
  const three = await broker.v3('b');
  await three.send("82 0b 0001 0006 '$SYS/#' 00");
  await three.expect('90 03 0001 80');
});

test('a will there refuses the CONNECT', async () => {
  const broker = await startServer();
  const client = broker.open();
  await client.send("10 16 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0002 '$t' 0001 'w'");
  await expectRefused(client, 0x87);
});

test('an authorizer decides about them instead', async () => {
  const broker = await startServer({
    authorizer: {
      authorizePublish: () => ReasonCode.Success,
      authorizeSubscribe: () => ReasonCode.Success,
    },
  });
  const client = await broker.v5('a');
  await client.send("82 08 0001 00 0002 '$t' 00");
  await client.expect('90 04 0001 00 00');
  await client.send("32 07 0002 '$t' 0001 00");
  await client.expect("30 05 0002 '$t' 00", '40 02 0001');
});

/** Everybody may do everything. */
const anything: Authorizer = {
  authorizePublish: () => ReasonCode.Success,
  authorizeSubscribe: () => ReasonCode.Success,
};

test('where the rules that opened them are gone, subscriptions there hear nothing, and nothing queued is sent', async () => {
  const broker = await startServer({ authorizer: anything });
  await subscriberV5(broker, 'here', '$t');
  const away = await subscriberV5(broker, 'away', '$t', 1, FOR_A_MINUTE);
  await away.drop();
  const publisher = await broker.v5('p');
  await publisher.send("32 07 0002 '$t' 0001 00");
  await publisher.expect('40 02 0001');
  expect(await broker.server.previewAccess({})).toMatchObject({ muted: 2 });
  expect(await broker.server.setAccess({})).toMatchObject({ muted: 2 });
  const again = broker.open();
  await again.send(connectPacket(5, 'away', false, FOR_A_MINUTE));
  await again.expect(CONNACK_PRESENT);
});

test('where the rules that opened them are gone, a will there is dropped', async () => {
  const broker = await startServer({ authorizer: anything });
  const client = broker.open();
  await client.send("10 16 0004 'MQTT' 05 06 0000 00 0001 'a' 00 0002 '$t' 0001 'w'");
  await client.expect(CONNACK);
  await broker.server.setAccess({});
  await client.drop();
  expect(broker.server.metrics.willsPublished).toBe(0);
  expect(broker.server.stats().dropped.not_authorized).toBe(1);
});
