// Which topics a filter matches. MQTT 5 §4.7.

import { test } from 'vitest';
import { publishV5, subscriberV3, subscribeV5 } from '../kit/traffic.ts';
import { RESERVED_OPEN, startServer } from '../kit/wire.ts';

const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  // filter, topics that match, topics that do not
  ['a/b', ['a/b'], ['a', 'a/b/c', 'A/b', 'a/B', '/a/b', 'a/b/', 'a//b']],
  ['#', ['a', 'a/b', '/', '/a'], ['$a', '$sys/a']],
  ['+', ['a', 'ab'], ['/a', 'a/', 'a/b', '$a']],
  ['a/#', ['a', 'a/', 'a/b', 'a/b/c'], ['ab', 'b/a', '/a', 'A/b']],
  ['a/+', ['a/b', 'a/'], ['a', 'a/b/c', 'b/a']],
  ['+/+', ['/', '/a', 'a/', 'a/b'], ['a', 'a/b/c', '$a/b']],
  ['/+', ['/a', '/'], ['a', '/a/b']],
  ['+/b', ['a/b', '/b'], ['$a/b', 'b', 'a/b/c']],
  ['a/+/c/#', ['a/b/c', 'a/b/c/d', 'a//c'], ['a/c', 'a/b/d']],
  ['$sys/#', ['$sys', '$sys/a'], ['sys/a', 'a/$sys']],
  ['$sys/+/x', ['$sys/a/x'], ['$sys/x', 'a/b/x']],
  ['+/$sys', ['a/$sys'], ['$sys', '$a/$sys']],
  ['a b', ['a b'], ['ab', 'a  b', ' a b']],
];

for (const [filter, matching, others] of CASES) {
  test(`${filter} matches ${matching.join(' ')}, not ${others.join(' ')} [MQTT-4.7.2-1] [MQTT-4.7.3-4] [3.1.1 MQTT-4.7.2-1]`, async () => {
    const broker = await startServer(RESERVED_OPEN);
    const subscriber = await broker.v5('sub');
    await subscribeV5(subscriber, filter);
    const publisher = await broker.v5('pub');
    for (const topicName of [...others, ...matching, ...others]) {
      publisher.write(publishV5({ topicName }));
    }
    await subscriber.expect(...matching.map((topicName) => publishV5({ topicName })));
  });
}

test('composed and decomposed forms of a letter are different topics [MQTT-4.7.3-4] [3.1.1 MQTT-4.7.3-4]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscribeV5(subscriber, '\u00e9');
  const publisher = await broker.v5('pub');
  await publisher.send(`
    30 06 0003 65 cc81 00 // e and a combining accent
    30 05 0002 c3a9 00    // é`);
  await subscriber.expect('30 05 0002 c3a9 00');
});

test('U+FEFF in a topic is part of it [MQTT-4.7.3-4] [MQTT-1.5.4-3]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  await subscriber.send("82 0a 0001 00 0004 efbbbf 'a' 00");
  await subscriber.expect('90 04 0001 00 00');
  const publisher = await broker.v5('pub');
  await publisher.send("30 04 0001 'a' 00 30 07 0004 efbbbf 'a' 00");
  await subscriber.expect("30 07 0004 efbbbf 'a' 00");
});

test('a filter made, removed and made again matches as its last state says [MQTT-3.10.4-2]', async () => {
  const broker = await startServer();
  const subscriber = await broker.v5('sub');
  const publisher = await broker.v5('pub');
  for (let i = 0; i < 3; i++) {
    await subscribeV5(subscriber, 'a/+');
    await publisher.send("30 06 0003 'a/b' 00");
    await subscriber.expect("30 06 0003 'a/b' 00");
    await subscriber.send("a2 08 0001 00 0003 'a/+'");
    await subscriber.expect('b0 04 0001 00 00');
    await publisher.send("30 06 0003 'a/b' 00");
    await subscriber.expectNothing();
  }
});

test('a v3.1.1 wildcard filter matches as a v5 one does [3.1.1 MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3]', async () => {
  const broker = await startServer();
  const subscriber = await subscriberV3(broker, 'sub', 'a/+/#');
  const publisher = await broker.v3('pub');
  await publisher.send("30 03 0001 'a' 30 05 0003 'a/b' 30 07 0005 'a/b/c'");
  await subscriber.expect("30 05 0003 'a/b'", "30 07 0005 'a/b/c'");
});
