// Topic aliases in both directions. MQTT 5 §3.3.2.3.4.

import { test } from 'vitest';
import { expectDisconnected } from '../kit/answers.ts';
import { hex16, subscriberV5, subscribeV5 } from '../kit/traffic.ts';
import { startServer } from '../kit/wire.ts';

test('an alias stands for the topic it was set with [MQTT-3.3.2-12]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', 'a/b');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 0a 0003 'a/b' 03 23 0001 '1' // sets alias 1
    30 07 0000 03 23 0001 '2'       // uses it`);
  await subscriber.expect("30 07 0003 'a/b' 00 '1'", "30 07 0003 'a/b' 00 '2'");
});

test('every alias from 1 to the maximum of CONNACK works [MQTT-3.3.2-12]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  const delivered: string[] = [];
  for (let alias = 1; alias <= 32; alias++) {
    const topic = `0002 '${alias.toString().padStart(2, '0')}'`;
    publisher.write(`30 08 ${topic} 03 23 ${hex16(alias)}`);
    publisher.write(`30 06 0000 03 23 ${hex16(alias)}`);
    delivered.push(`30 05 ${topic} 00`, `30 05 ${topic} 00`);
  }
  await subscriber.expect(...delivered);
});

test('the highest alias of CONNACK is good, the next one ends the connection with 0x94 [MQTT-3.3.2-9]', async () => {
  const broker = await startServer({ limits: { topicAliasMax: 2 } });
  const subscriber = await subscriberV5(broker, 'sub', 't');
  const publisher = await broker.v5('pub');
  await publisher.send("30 07 0001 't' 03 23 0002");
  await subscriber.expect("30 04 0001 't' 00");
  await publisher.send("30 07 0001 't' 03 23 0003");
  await expectDisconnected(publisher, 0x94, 'MQTT-3.3.2-9');
  await subscriber.expectNothing();
});

test('no alias is accepted by a server that offers none [MQTT-3.3.2-9]', async () => {
  const broker = await startServer({ limits: { topicAliasMax: 0 } });
  const publisher = await broker.v5('pub');
  await publisher.send("30 07 0001 't' 03 23 0001");
  await expectDisconnected(publisher, 0x94);
});

test('alias 0 ends the connection with 0x94 [MQTT-3.3.2-8]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send("30 07 0001 't' 03 23 0000");
  await expectDisconnected(client, 0x94, 'MQTT-3.3.2-8');
});

test('an alias that was never set ends the connection with 0x82 [MQTT-3.3.2-7]', async () => {
  const client = await (await startServer()).v5('a');
  await client.send('30 06 0000 03 23 0001');
  await expectDisconnected(client, 0x82, 'MQTT-3.3.2-7');
});

test('an alias of the previous connection ends the connection with 0x82, although the session goes on [MQTT-3.3.2-7]', async () => {
  const broker = await startServer();
  const first = await broker.v5('a', true, '11 00000e10');
  await first.send("30 07 0001 't' 03 23 0001");
  await first.drop();
  const second = await broker.v5('a', false, '11 00000e10');
  await second.send('30 06 0000 03 23 0001');
  await expectDisconnected(second, 0x82, 'MQTT-3.3.2-7');
});

test('an alias set anew stands for the new topic from then on', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 07 0001 'a' 03 23 0001
    30 07 0001 'b' 03 23 0001
    30 06 0000 03 23 0001`);
  await subscriber.expect("30 04 0001 'a' 00", "30 04 0001 'b' 00", "30 04 0001 'b' 00");
});

test('two clients have aliases of their own', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const one = await broker.v5('one');
  const two = await broker.v5('two');
  await one.send("30 07 0001 'a' 03 23 0001");
  await two.send("30 07 0001 'b' 03 23 0001");
  await one.send('30 06 0000 03 23 0001');
  await subscriber.expect("30 04 0001 'a' 00", "30 04 0001 'b' 00", "30 04 0001 'a' 00");
});

test('to a client that offers aliases a topic is sent with one, then only the alias [MQTT-3.3.2-11]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', '#', 0, '22 0001');
  const publisher = await broker.v5('pub');
  await publisher.send("30 08 0004 'aaaa' 00 '1'");
  await subscriber.expect("30 0b 0004 'aaaa' 03 23 0001 '1'");
  await publisher.send("30 08 0004 'aaaa' 00 '2'");
  await subscriber.expect("30 07 0000 03 23 0001 '2'");
});

test('the least recently used topic gives its alias to a new one; none is above the client’s maximum [MQTT-3.3.2-11] [MQTT-3.3.2-8]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', '#', 0, '22 0002');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 07 0004 'aaaa' 00
    30 07 0004 'bbbb' 00
    30 07 0004 'aaaa' 00
    30 07 0004 'cccc' 00
    30 07 0004 'aaaa' 00
    30 07 0004 'bbbb' 00`);
  await subscriber.expect(
    "30 0a 0004 'aaaa' 03 23 0001",
    "30 0a 0004 'bbbb' 03 23 0002",
    '30 06 0000 03 23 0001',
    "30 0a 0004 'cccc' 03 23 0002", // b was not used longer than a
    '30 06 0000 03 23 0001',
    "30 0a 0004 'bbbb' 03 23 0002", // c was not used longer than a
  );
});

test('a client that offers no aliases gets none [MQTT-3.3.2-11]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV5(broker, 'sub', '#');
  const publisher = await broker.v5('pub');
  await publisher.send("30 07 0004 'aaaa' 00 30 07 0004 'aaaa' 00");
  await subscriber.expect("30 07 0004 'aaaa' 00", "30 07 0004 'aaaa' 00");
});

test('the server uses no more aliases than its own limit', async () => {
  const broker = await startServer({ limits: { topicAliasOutboundMax: 1 } });
  const subscriber = await subscriberV5(broker, 'sub', '#', 0, '22 ffff');
  const publisher = await broker.v5('pub');
  await publisher.send("30 07 0004 'aaaa' 00 30 07 0004 'bbbb' 00");
  await subscriber.expect("30 0a 0004 'aaaa' 03 23 0001", "30 0a 0004 'bbbb' 03 23 0001");
});

test('outbound aliases end with their connection: a message sent again has its whole topic [MQTT-3.3.2-7]', async () => {
  const broker = await startServer();
  const first = await broker.v5('sub', true, '11 00000e10 22 0004');
  await subscribeV5(first, 'aaaa', 0x01);
  const publisher = await broker.v5('pub');
  await publisher.send("30 07 0004 'aaaa' 00");
  await first.expect("30 0a 0004 'aaaa' 03 23 0001");
  await publisher.send("32 09 0004 'aaaa' 0001 00");
  await first.expect('32 08 0000 0001 03 23 0001');
  await first.drop();
  const second = await broker.v5('sub', false, '11 00000e10 22 0004');
  await second.expect("3a 0c 0004 'aaaa' 0001 03 23 0001");
});
