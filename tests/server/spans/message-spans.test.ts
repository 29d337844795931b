// Spans of messages on the wire: which messages, what is in them, whose children they are, and that nothing is left of them.

import { describe, expect, test } from 'vitest';
import type { Authorizer } from '../../../src/auth/auth.ts';
import type { UserProperty } from '../../../src/protocol/packet.ts';
import { ReasonCode } from '../../../src/protocol/reason-code.ts';
import type { TracingOptions } from '../../../src/server/spans/options.ts';
import { toHex } from '../../kit/hex.ts';
import { OtlpCollector, type SpanTaken } from '../../kit/otlp-collector.ts';
import { ReceiveOnly } from '../../kit/rules.ts';
import { ONE_HOUR, startStored } from '../../kit/stored.ts';
import {
  joined,
  publishV3,
  publishV5,
  subscriberV3,
  subscriberV5,
  subscribeV5,
} from '../../kit/traffic.ts';
import { until } from '../../kit/until.ts';
import { publishWith } from '../../kit/user-properties.ts';
import { settle, startServer, type TestServer } from '../../kit/wire.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const SAMPLED = `00-${TRACE}-${SPAN}-01`;
const NOT_SAMPLED = `00-${TRACE}-${SPAN}-00`;

type Options = Parameters<typeof startServer>[0];

async function traced(
  tracing: Partial<TracingOptions> = {},
  options: Options = {},
): Promise<{ broker: TestServer; collector: OtlpCollector }> {
  const collector = await OtlpCollector.start();
  const broker = await startServer({ ...options, tracing: collector.options(tracing) });
  return { broker, collector };
}

/** Its name, for whom, what came of it, what happened. */
function story({ name, attributes, events, error }: SpanTaken): string {
  const outcome = attributes['iothub.delivery.outcome'] ?? attributes['iothub.drop.reason'] ?? '';
  const parts = [name, attributes['messaging.client.id'], outcome, events.join(' '), error ?? ''];
  return parts.filter((part) => part !== '').join(' | ');
}

/** That nothing more comes, once all that is unfinished has been told. */
async function stories(broker: TestServer, collector: OtlpCollector): Promise<string[]> {
  broker.server.tracing.set(null);
  await broker.server.tracing.close();
  return collector.spans.map(story);
}

describe('a message from end to end', () => {
  test('v5: its span, and a child for each client', async () => {
    const { broker, collector } = await traced(
      { topics: ['x', 'a/+'] },
      { sys: { version: '9', intervalMs: 0 } },
    );
    const subscriber = await subscriberV5(broker, 's', 'a/#', 1);
    await subscriberV5(broker, 'zero', 'a/b', 0);
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'a/b', payload: '123', qos: 1, retain: true }));
    broker.clock.advance(7);
    await subscriber.send('40 02 0001');
    const spans = await collector.taken(broker, 3);
    const [zero, published, delivered] = spans;
    expect(collector.resource).toMatchObject({
      ...{ 'service.name': 'hub', 'service.version': '9' },
      ...{ 'service.instance.id': expect.any(String), 'host.name': expect.any(String) },
    });
    expect(published).toMatchObject({ name: 'publish a/+', kind: 5, flags: 0x101, error: null });
    expect(published.parentSpanId).toBeUndefined();
    expect(published.attributes).toEqual({
      ...{ 'messaging.system': 'mqtt', 'messaging.operation.name': 'publish' },
      ...{ 'messaging.operation.type': 'receive', 'messaging.destination.name': 'a/b' },
      ...{ 'messaging.destination.template': 'a/+', 'messaging.client.id': 'p' },
      ...{ 'messaging.message.body.size': 3, 'mqtt.qos': 1, 'mqtt.retain': true },
      'iothub.subscribers': 2,
    });
    expect(delivered).toMatchObject({
      ...{ name: 'deliver a/+', kind: 4, flags: 0x101, events: ['sent'], error: null },
      ...{ traceId: published.traceId, parentSpanId: published.spanId },
    });
    expect(delivered.attributes).toEqual({
      ...{ 'messaging.system': 'mqtt', 'messaging.operation.name': 'deliver' },
      ...{ 'messaging.operation.type': 'send', 'messaging.destination.name': 'a/b' },
      ...{ 'messaging.destination.template': 'a/+', 'messaging.client.id': 's' },
      ...{ 'mqtt.qos': 1, 'mqtt.retain': false, 'iothub.delivery.outcome': 'acknowledged' },
    });
    expect(delivered.endNanos - delivered.startNanos).toBe(7_000_000n);
    expect(story(zero)).toBe('deliver a/+ | zero | sent | sent');
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(3);
  });

  test('v3 clients, without a filter: no name has a topic in it', async () => {
    const { broker, collector } = await traced();
    const subscriber = await subscriberV3(broker, 's', 't', 2);
    const publisher = await broker.v3('p');
    await publisher.send(publishV3({ topicName: 't', qos: 2 }));
    await subscriber.send('50 02 0001');
    await subscriber.send('70 02 0001');
    const spans = await collector.taken(broker, 2);
    expect(spans.map(story)).toEqual(['publish | p', 'deliver | s | acknowledged | sent']);
    expect(spans[0].attributes).not.toHaveProperty('messaging.destination.template');
  });

  test('names that are too long are cut, and what is left is text', async () => {
    const { broker, collector } = await traced({}, { limits: { topicLengthMax: 2_000 } });
    const topicName = `${'x'.repeat(1_022)}\u{1f600}y`;
    await (await broker.v5('p')).send(publishV5({ topicName, payload: '', qos: 0 }));
    const [{ attributes }] = await collector.taken(broker, 1);
    expect(attributes['messaging.destination.name']).toBe(`${'x'.repeat(1_022)}\ufffd…`);
  });

  test('its times are those of the wall clock, from when it was read', async () => {
    const { broker, collector } = await traced();
    const publisher = await broker.v5('p');
    const atMs = broker.clock.wallNow();
    await publisher.send(publishV5({ topicName: 't' }));
    const [{ startNanos }] = await collector.taken(broker, 1);
    expect(startNanos).toBe(BigInt(atMs) * 1_000_000n);
  });

  test('a publisher is told when its message is durable: until then it is not over', async () => {
    const collector = await OtlpCollector.start();
    const stored = await startStored({ tracing: collector.options() });
    await subscribeV5(await stored.durable('s'), 't', 1);
    stored.slow();
    const publisher = await stored.broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    await stored.commit();
    await publisher.expect('40 02 0001');
    const [published] = await collector.taken(stored.broker, 1);
    expect(story(published)).toBe('publish | p | routed');
    expect(published.endNanos - published.startNanos).toBe(100_000_000n);
  });

  test('a will', async () => {
    const { broker, collector } = await traced();
    await subscriberV5(broker, 's', '#');
    const dying = broker.open();
    await dying.send("10 17 0004 'MQTT' 05 06 0000 00 0001 'w' 00 0001 'g' 0003 'bye'");
    await dying.drop();
    const spans = await collector.taken(broker, 2);
    expect(spans.map(story)).toEqual(['deliver | s | sent | sent', 'will | w']);
  });
});

describe('what it comes to', () => {
  test('it waits in the store for a client that is away, and is sent when it is back', async () => {
    const collector = await OtlpCollector.start();
    const stored = await startStored({ tracing: collector.options() });
    const subscriber = await stored.durable('s');
    await subscribeV5(subscriber, 't', 1);
    await subscriber.drop();
    const publisher = await stored.broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    const back = await stored.broker.v5('s', false, ONE_HOUR);
    await back.send('40 02 0001');
    const spans = await collector.taken(stored.broker, 2);
    expect(spans.map(story)).toEqual([
      'publish | p | routed',
      'deliver | s | acknowledged | queued sent',
    ]);
    expect(spans[1].parentSpanId).toBe(spans[0].spanId);
  });

  test('it is sent again on another connection', async () => {
    const { broker, collector } = await traced();
    const subscriber = await subscriberV5(broker, 's', 't', 1, ONE_HOUR);
    await (await broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    await subscriber.drop();
    await (await broker.v5('s', false, ONE_HOUR)).send('40 02 0001');
    const [, delivered] = await collector.taken(broker, 2);
    expect(story(delivered)).toBe('deliver | s | acknowledged | sent sent again');
  });

  test('a queue is full; its client may not receive it; its client refuses it', async () => {
    const authorizer = new ReceiveOnly('t');
    const { broker, collector } = await traced({}, { authorizer, limits: { queueMessagesMax: 1 } });
    await (await subscriberV5(broker, 'away', 't', 1, ONE_HOUR)).drop();
    const refusing = await subscriberV5(broker, 'r', '+', 1);
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    await refusing.send('40 03 0001 83');
    await publisher.send(publishV5({ topicName: 't' }));
    await publisher.send(publishV5({ topicName: 't', qos: 1, packetId: 2 }));
    await publisher.send(publishV5({ topicName: 'u', packetId: 2 }));
    expect(await stories(broker, collector)).toEqual([
      'publish | p',
      'deliver | r | dropped | sent | refused',
      'deliver | away | dropped | offline',
      'deliver | r | sent | sent',
      'publish | p',
      'deliver | away | dropped | queue_full',
      'publish | p',
      'deliver | r | dropped | receive_not_authorized',
      'publish | p',
      'deliver | away | unfinished | queued',
      'deliver | r | unfinished | sent',
    ]);
  });

  test('a session ends whose queue is in the store', async () => {
    const collector = await OtlpCollector.start();
    const stored = await startStored({ tracing: collector.options() });
    const subscriber = await stored.durable('s');
    await subscribeV5(subscriber, 't', 1);
    await subscriber.drop();
    await (await stored.broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    await stored.broker.v5('s');
    const [, delivered] = await collector.taken(stored.broker, 2);
    expect(story(delivered)).toBe('deliver | s | dropped | queued | session_ended');
  });

  test('another member of the shared subscription gets it', async () => {
    const { broker, collector } = await traced();
    const first = await subscriberV5(broker, 'one', '$share/g/t', 1, ONE_HOUR);
    await (await broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    await first.drop();
    const second = await subscriberV5(broker, 'two', '$share/g/t', 1);
    await broker.v5('one');
    await second.send('40 02 0001');
    const spans = await collector.taken(broker, 3);
    expect(spans.map(story)).toEqual([
      'publish | p',
      'deliver | one | moved | sent',
      'deliver | two | acknowledged | sent',
    ]);
  });

  test.each([
    [1, 0],
    [0, 1],
  ])('it goes to one client two ways, at QoS %i and %i: each has a span', async (own, shared) => {
    const { broker, collector } = await traced();
    const subscriber = await subscriberV5(broker, 's', 't', own, '21 0001'); // Receive Maximum 1
    await subscribeV5(subscriber, '$share/g/t', shared);
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', qos: 1 }));
    await publisher.send(publishV5({ topicName: 't', qos: 1, packetId: 2 }));
    await subscriber.send('40 02 0001');
    await subscriber.send('40 02 0002');
    const spans = await collector.taken(broker, 6);
    expect(spans.map(story).sort()).toEqual([
      'deliver | s | acknowledged | queued sent',
      'deliver | s | acknowledged | sent',
      'deliver | s | sent | sent',
      'deliver | s | sent | sent',
      'publish | p',
      'publish | p',
    ]);
  });

  test('nobody subscribes; nobody else; it may not be published', async () => {
    const { broker, collector } = await traced();
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't' }));
    await subscribeV5(publisher, 't', 4);
    await publisher.send(publishV5({ topicName: 't' }));
    await publisher.send(publishV5({ topicName: '$x', qos: 1 }));
    const spans = await collector.taken(broker, 3);
    expect(spans.map(story)).toEqual([
      'publish | p | no_subscriber',
      'publish | p | no_local',
      'publish | p | not_authorized | not_authorized',
    ]);
    expect(spans[2].attributes).toMatchObject({
      ...{ 'mqtt.reason_code': 0x87, 'error.type': 'not_authorized' },
    });
  });

  test('it expires while an authorizer thinks', async () => {
    let answer: (code: ReasonCode) => void = () => {};
    const authorizer: Authorizer = {
      authorizePublish: () => new Promise((resolve) => (answer = resolve)),
      authorizeSubscribe: () => ReasonCode.Success,
    };
    const { broker, collector } = await traced({}, { authorizer });
    await subscriberV5(broker, 's', 't');
    const publisher = await broker.v5('p');
    await publisher.send("30 09 0001 't' 05 02 00000001"); // Message Expiry Interval 1
    await broker.advance(1_000);
    answer(ReasonCode.Success);
    await settle();
    const [published] = await collector.taken(broker, 1);
    expect(story(published)).toBe('publish | p | expired');
    expect(published.endNanos - published.startNanos).toBe(1_000_000_000n);
  });

  test('what is not over after five minutes is told as it is', async () => {
    const { broker, collector } = await traced();
    await (await subscriberV5(broker, 's', 't', 1, ONE_HOUR)).drop();
    await (await broker.v5('p')).send(publishV5({ topicName: 't', qos: 1 }));
    await broker.advance(299_000);
    expect(collector.spans).toHaveLength(1);
    await broker.advance(3_000);
    const [, delivered] = await collector.taken(broker, 2);
    expect(story(delivered)).toBe('deliver | s | unfinished | queued');
  });
});

test('one client that is away does not end all tracing: of too many the oldest are told as they are', async () => {
  const limits = { queueMessagesMax: 20_000 };
  const tracing = { spansPerSecondMax: 100_000, queueMax: 100_000 };
  const { broker } = await traced(tracing, { limits });
  await (await subscriberV5(broker, 's', 't', 1, ONE_HOUR)).drop();
  const publisher = await broker.v5('p');
  const hundred = joined(
    Array.from({ length: 100 }, (_, i) => publishV5({ topicName: 't', qos: 1, packetId: i + 1 })),
  );
  for (let i = 0; i < 101; i++) await publisher.send(hundred);
  const { exported, lost, waiting } = broker.server.tracing.figures;
  expect(lost).toMatchObject({ limit: 0, rate: 0 });
  const publishes = 10_100;
  expect(exported + waiting).toBe(publishes + 101); // room for a delivery of each, and for one publish
});

describe('which messages', () => {
  test('those of a publisher, to a topic; all others are as if it were off', async () => {
    const { broker, collector } = await traced({ clients: ['p*'], topics: ['a/#'] });
    const [p1, q] = [await broker.v5('p1'), await broker.v5('q')];
    await p1.send(publishV5({ topicName: 'a/b' }));
    await p1.send(publishV5({ topicName: 'b' }));
    await q.send(publishV5({ topicName: 'a/b' }));
    expect(await stories(broker, collector)).toEqual(['publish a/# | p1 | no_subscriber']);
  });

  test('a sampled flag of its publisher alone starts nothing', async () => {
    const { broker, collector } = await traced({ ratio: 0 });
    const subscriber = await subscriberV5(broker, 's', 't');
    const packet = publishWith('t', [['traceparent', SAMPLED]]);
    await (await broker.v5('p')).send(packet);
    await subscriber.expect(packet);
    expect(await stories(broker, collector)).toEqual([]);
    expect(broker.server.tracing.figures.lost.rate).toBe(0);
  });

  test('a part of them', async () => {
    const { broker } = await traced({ ratio: 0.5, spansPerSecondMax: 100_000 });
    const publisher = await broker.v5('p');
    for (let i = 0; i < 200; i++) publisher.write(publishV5({ topicName: 't' }));
    await settle();
    const { waiting } = broker.server.tracing.figures;
    expect(waiting).toBeGreaterThan(0); // each alike once in 2^200
    expect(waiting).toBeLessThan(200);
  });

  test('not more spans a second than that: whole messages first, then deliveries', async () => {
    const { broker, collector } = await traced({ spansPerSecondMax: 4 });
    for (const clientId of ['a', 'b']) await subscriberV5(broker, clientId, 't');
    const publisher = await broker.v5('p');
    for (let i = 0; i < 3; i++) await publisher.send(publishV5({ topicName: 't' }));
    const spans = await collector.taken(broker, 4);
    expect(spans.map(story)).toEqual([
      ...['deliver | a | sent | sent', 'deliver | b | sent | sent', 'publish | p', 'publish | p'],
    ]);
    expect(spans[3].attributes['iothub.deliveries.untold']).toBe(2);
    await until(() => broker.server.tracing.figures.exported === 4);
    expect(broker.server.tracing.figures.lost.rate).toBe(3);
    await publisher.send(publishV5({ topicName: 't' }));
    await collector.taken(broker, 7);
  });

  test('not more deliveries of one message than that', async () => {
    const { broker } = await traced();
    for (let i = 0; i < 102; i++) await subscriberV5(broker, `s${i}`, 't');
    await (await broker.v5('p')).send(publishV5({ topicName: 't' }));
    expect(broker.server.tracing.figures).toMatchObject({ waiting: 101, lost: { limit: 2 } });
  });
});

describe('the trace of its publisher', () => {
  async function publishedWith(
    pairs: readonly UserProperty[],
    tracing: Partial<TracingOptions> = {},
  ): Promise<SpanTaken[]> {
    const { broker, collector } = await traced(tracing);
    const subscriber = await subscriberV5(broker, 's', 't');
    const packet = publishWith('t', pairs);
    await (await broker.v5('p')).send(packet);
    // All user properties as they came, in their order. [MQTT-3.3.2-17] [MQTT-3.3.2-18]
    expect((await subscriber.packets()).map(toHex)).toEqual([toHex(packet)]);
    const [delivered, published] = await collector.taken(broker, 2);
    expect(delivered.traceId).toBe(published.traceId);
    expect(delivered.parentSpanId).toBe(published.spanId);
    return [published, delivered];
  }

  test('is gone on with, and the message keeps what it said', async () => {
    const [published, delivered] = await publishedWith([
      ...([
        ['a', '1'],
        ['traceparent', SAMPLED],
        ['tracestate', 'x=y'],
        ['b', '2'],
      ] as const),
    ]);
    expect(published).toMatchObject({
      ...{ traceId: TRACE, parentSpanId: SPAN, flags: 0x301, traceState: 'x=y', links: [] },
    });
    expect(delivered).toMatchObject({ flags: 0x101, traceState: 'x=y' });
  });

  test.each([
    ['it is not recorded', NOT_SAMPLED, {}],
    ['nobody follows', SAMPLED, { follow: false }],
  ])('is linked to where %s', async (_why, traceparent, tracing) => {
    const [published] = await publishedWith([['traceparent', traceparent]], tracing);
    expect(published.traceId).not.toBe(TRACE);
    expect(published.parentSpanId).toBeUndefined();
    expect(published.links).toEqual([{ traceId: TRACE, spanId: SPAN }]);
  });

  test.each([
    ['wrong', [['traceparent', `${SAMPLED}0`]]],
    [
      'there twice',
      [
        ['traceparent', SAMPLED],
        ['traceparent', SAMPLED],
      ],
    ],
    ['not there', [['other', SAMPLED]]],
  ] as const)('counts as none where it is %s', async (_what, pairs) => {
    const [published] = await publishedWith(pairs);
    expect(published.traceId).not.toBe(TRACE);
    expect(published.links).toEqual([]);
  });
});
