// One publisher, one topic, one QoS: every subscriber sees the order of publishing. MQTT 5 §4.6.

import { expect, test } from 'vitest';
import { joined, publishV3, subscriberV3, subscriberV5 } from '../kit/traffic.ts';
import { startServer, type WireClient } from '../kit/wire.ts';

/** Numbers that the payloads of received PUBLISH packets hold, and what acknowledges each packet. */
interface Received {
  readonly number: number;
  readonly isDup: boolean;
  readonly answer: readonly number[];
}

/** Until nothing more comes; PUBREL is answered. */
async function receive(client: WireClient, isV5: boolean): Promise<Received[]> {
  const received: Received[] = [];
  for (let some = await client.packets(); some.length > 0; some = await client.packets()) {
    for (const packet of some) {
      const type = packet[0] >> 4;
      if (type === 6) client.write(Uint8Array.of(0x70, 2, packet[2], packet[3]));
      if (type === 3) received.push(readPublish(packet, isV5));
    }
  }
  return received;
}

function readPublish(packet: Uint8Array, isV5: boolean): Received {
  const qos = (packet[0] >> 1) & 3;
  // header 2, topic 3, id 2 from QoS 1 on, property length in v5
  const start = 5 + (qos > 0 ? 2 : 0) + (isV5 ? 1 : 0);
  return {
    number: Number(new TextDecoder().decode(packet.subarray(start))),
    isDup: (packet[0] & 8) !== 0,
    answer: qos === 0 ? [] : [qos === 1 ? 0x40 : 0x50, 2, packet[5], packet[6]],
  };
}

function numbered(qos: 0 | 1 | 2, first: number, last: number): Uint8Array {
  const packets: Uint8Array[] = [];
  for (let i = first; i <= last; i++) {
    packets.push(publishV3({ topicName: 't', payload: String(i), qos, packetId: i + 1 }));
  }
  return joined(packets);
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, i) => i);

for (const qos of [0, 1, 2] as const) {
  test(`a thousand QoS ${qos} messages arrive in order, through window and queue [MQTT-4.6.0-5] [MQTT-4.6.0-6] [3.1.1 MQTT-4.6.0-6]`, async () => {
    const broker = await startServer();
    const subscriber = await subscriberV5(broker, 'sub', 't', qos, '21 0007');
    const publisher = await broker.v3('pub');
    await publisher.send(numbered(qos, 0, 999));
    const numbers: number[] = [];
    for (
      let some = await receive(subscriber, true);
      some.length > 0;
      some = await receive(subscriber, true)
    ) {
      for (const { number, answer } of some) {
        numbers.push(number);
        subscriber.write(Uint8Array.from(answer));
      }
    }
    expect(numbers).toEqual(upTo(999));
  });
}

for (const qos of [1, 2] as const) {
  test(`QoS ${qos} messages arrive in order over many reconnects while more are published [MQTT-4.6.0-5] [MQTT-4.4.0-1] [3.1.1 MQTT-4.6.0-6]`, async () => {
    const broker = await startServer({ limits: { inflightMessagesMax: 5 } });
    let subscriber = await subscriberV3(broker, 'sub', 't', qos, false);
    const publisher = await broker.v3('pub');
    const first: number[] = []; // without DUP
    let previous: number[] = [];
    for (let round = 0; round < 20; round++) {
      await publisher.send(numbered(qos, round * 10, round * 10 + 9));
      const some = await receive(subscriber, false);
      const again = some.filter((one) => one.isDup).map((one) => one.number);
      expect(again, 'what is sent again is what was left, in its order').toEqual(previous);
      for (const one of some) if (!one.isDup) first.push(one.number);
      // two are acknowledged, the others are not when the connection goes
      for (const { answer } of some.slice(0, 2)) subscriber.write(Uint8Array.from(answer));
      const more = await receive(subscriber, false);
      for (const one of more) first.push(one.number);
      previous = [...some.slice(2), ...more].map((one) => one.number);
      await subscriber.drop();
      subscriber = await broker.v3('sub', false);
    }
    expect(first).toEqual(upTo(first.length - 1));
    expect(first.length).toBeGreaterThan(40);
  });
}

test('messages to different topics keep their order for one subscriber [MQTT-4.6.0-6]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', '#', 1);
  const publisher = await broker.v3('pub');
  await publisher.send("32 06 0001 'b' 0001 '1' 32 06 0001 'a' 0002 '2' 32 06 0001 'b' 0003 '3'");
  await subscriber.expect(
    "32 06 0001 'b' 0001 '1'",
    "32 06 0001 'a' 0002 '2'",
    "32 06 0001 'b' 0003 '3'",
  );
});

test('messages of two publishers keep the order of each [MQTT-4.6.0-5]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 't', 0);
  const even = await broker.v3('even');
  const odd = await broker.v3('odd');
  for (let i = 0; i < 200; i += 2) {
    even.write(publishV3({ topicName: 't', payload: String(i) }));
    odd.write(publishV3({ topicName: 't', payload: String(i + 1) }));
  }
  const numbers = (await receive(subscriber, false)).map((one) => one.number);
  expect(numbers).toHaveLength(200);
  for (const rest of [0, 1]) {
    const own = numbers.filter((number) => number % 2 === rest);
    expect(own).toEqual(own.toSorted((a, b) => a - b));
  }
});

test('a message that changed hands between QoS 1 and 2 keeps its place behind those before it [MQTT-4.6.0-5]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2, '21 0001');
  const publisher = await broker.v3('pub');
  await publisher.send("34 06 0001 't' 0001 '1' 32 06 0001 't' 0002 '2' 34 06 0001 't' 0003 '3'");
  await subscriber.expect("34 07 0001 't' 0001 00 '1'");
  await subscriber.send('50 02 0001 70 02 0001');
  await subscriber.expect('62 02 0001', "32 07 0001 't' 0002 00 '2'");
  await subscriber.send('40 02 0002');
  await subscriber.expect("34 07 0001 't' 0003 00 '3'");
});

test('PUBRELs leave in the order of the client’s PUBRECs', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 't', 2);
  const publisher = await broker.v3('pub');
  await publisher.send("34 05 0001 't' 0001 34 05 0001 't' 0002 34 05 0001 't' 0003");
  expect(await subscriber.packets()).toHaveLength(3);
  await subscriber.send('50 02 0002 50 02 0001 50 02 0003');
  await subscriber.expect('62 02 0002', '62 02 0001', '62 02 0003');
});
