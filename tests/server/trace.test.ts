// A trace: what it shows, what it leaves out, where it ends, and that nothing of it is left then.

import { describe, expect, onTestFinished, test } from 'vitest';
import type { Authenticator } from '../../src/auth/auth.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import type { OpenTrace, TraceEvent, TraceRequest } from '../../src/server/contract/trace.ts';
import { ReceiveOnly } from '../kit/rules.ts';
import { joined, publishV5, subscriberV5 } from '../kit/traffic.ts';
import { settle, startServer, type TestServer } from '../kit/wire.ts';

const DURABLE = '11 00000e10';

/** Lets everybody in who does not say `no` as its user name. */
const authenticator: Authenticator = {
  authenticate: ({ username }) =>
    username === 'no'
      ? { reasonCode: ReasonCode.BadUserNameOrPassword }
      : { reasonCode: ReasonCode.Success, username },
};

function linesIn(text: string): TraceEvent[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as TraceEvent);
}

class Traced {
  readonly trace: OpenTrace;
  events: TraceEvent[] = [];
  hasEnded = false;

  constructor(broker: TestServer, request: Partial<TraceRequest> = {}) {
    this.trace = broker.server.traces.open({
      ...{ clientId: null, topic: null, forMs: 60_000, max: 10_000, payload: false },
      ...request,
    });
    onTestFinished(() => this.trace.close());
  }

  /** Reads all there is, and goes on reading. */
  read(): this {
    void this.#read();
    return this;
  }

  async #read(): Promise<void> {
    for (;;) {
      const lines = await this.trace.next();
      if (lines === null) break;
      this.events.push(...linesIn(lines));
    }
    this.hasEnded = true;
  }

  /** What came since the last call: each event as a line, with these of its fields. */
  async told(...fields: string[]): Promise<string[]> {
    await settle();
    const events = this.events;
    this.events = [];
    return events.map((event) =>
      [event.event, ...fields.flatMap((name) => (name in event ? [`${event[name]}`] : []))].join(
        ' ',
      ),
    );
  }
}

describe('what it shows', () => {
  test('a message from end to end', async () => {
    const broker = await startServer();
    const traced = new Traced(broker).read();
    const subscriber = await subscriberV5(broker, 's', 'a/#', 1);
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 'a/b', payload: '12', qos: 1 }));
    await subscriber.send('40 02 0001');
    await publisher.send('e0 00');
    expect(await traced.told('clientId', 'topic', 'topicFilter', 'decision', 'qos')).toEqual([
      'begin null null',
      'connect s',
      'subscribe s a/#',
      'connect p',
      'publish p a/b accepted 1',
      'delivered s a/b 1',
      'acknowledged s a/b 1',
      'disconnect p',
    ]);
  });

  test('each event with its time, and what belongs to it', async () => {
    const broker = await startServer();
    const traced = new Traced(broker, { payload: true }).read();
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: 't', payload: 'hé', qos: 1, packetId: 7 }));
    await settle();
    const at = new Date(broker.clock.wallNow()).toISOString();
    expect(traced.events.slice(1)).toEqual([
      {
        ...{ at, event: 'connect', clientId: 'p', username: null, remote: expect.any(String) },
        ...{ listener: 'memory', version: 5, sessionPresent: false },
      },
      {
        ...{ at, event: 'publish', clientId: 'p', topic: 't', qos: 1, retain: false, packetId: 7 },
        ...{ size: 3, decision: 'accepted', reasonCode: 0 },
        ...{ payload: 'hé', payloadEncoding: 'utf-8', isClipped: false },
      },
      { at, event: 'dropped', clientId: 'p', topic: 't', reason: 'no_subscriber', count: 1 },
    ]);
  });

  test('what waits in a queue, what is refused, what is lost', async () => {
    const broker = await startServer({
      authorizer: new ReceiveOnly('t'),
      limits: { queueMessagesMax: 1 },
    });
    await (await subscriberV5(broker, 's', '+', 1, DURABLE)).drop();
    const traced = new Traced(broker).read();
    const publisher = await broker.v5('p');
    for (const topicName of ['t', 't', 'u']) {
      await publisher.send(publishV5({ topicName, qos: 1 }));
    }
    await publisher.send("a2 06 0009 00 0001 'x'");
    expect(
      await traced.told('clientId', 'topic', 'topicFilter', 'reason', 'queuedMessages'),
    ).toEqual([
      'begin null null',
      'connect p',
      'publish p t',
      'queued s t 1',
      'publish p t',
      'dropped s t queue_full',
      'publish p u',
      'dropped s u receive_not_authorized',
      'unsubscribe p x',
    ]);
  });

  test('a PUBLISH that may not be, a CONNECT that is refused, a will', async () => {
    const broker = await startServer({
      authenticator,
    });
    const traced = new Traced(broker).read();
    const publisher = await broker.v5('p');
    await publisher.send(publishV5({ topicName: '$x', qos: 1 }));
    await broker.open().send("10 14 0004 'MQTT' 05 82 0000 00 0003 'bad' 0002 'no'");
    const dying = broker.open();
    await dying.send("10 17 0004 'MQTT' 05 06 0000 00 0001 'w' 00 0001 'g' 0003 'bye'");
    await dying.drop();
    expect(await traced.told('clientId', 'topic', 'decision', 'reasonCode')).toEqual([
      'begin null null',
      'connect p',
      'publish p $x refused 135',
      'dropped p $x',
      'refused bad 134',
      'connect w',
      'disconnect w',
      'will w g',
      'dropped w g',
    ]);
  });

  test('payloads only where they are asked for, and their beginning only', async () => {
    const broker = await startServer();
    const traced = new Traced(broker, { payload: true, topic: 't' }).read();
    const without = new Traced(broker, { topic: 't' }).read();
    const publisher = await broker.v5('p');
    const long = `${'x'.repeat(1_023)}é`;
    await publisher.send(publishV5({ topicName: 't', payload: long }));
    await publisher.send(publishV5({ topicName: 't', payload: Uint8Array.of(0xff, 0) }));
    await settle();
    const shown = traced.events.filter(({ event }) => event === 'publish');
    expect(
      shown.map(({ payload, payloadEncoding, isClipped }) => [payload, payloadEncoding, isClipped]),
    ).toEqual([
      ['x'.repeat(1_023), 'utf-8', true],
      ['/wA=', 'base64', false],
    ]);
    expect(without.events.every((event) => !('payload' in event) || event.event === 'begin')).toBe(
      true,
    );
    expect(without.events).toHaveLength(traced.events.length);
  });
});

describe('what it leaves out', () => {
  async function eventsWith(request: Partial<TraceRequest>): Promise<string[]> {
    const broker = await startServer();
    const traced = new Traced(broker, request).read();
    await subscriberV5(broker, 'sub-1', 'a/#');
    await subscriberV5(broker, 'sub-2', 'b/+');
    const publisher = await broker.v5('pub');
    await publisher.send(publishV5({ topicName: 'a/x' }));
    await publisher.send(publishV5({ topicName: 'b/x' }));
    return (await traced.told('clientId', 'topic', 'topicFilter')).slice(1);
  }

  test('other clients', async () => {
    expect(await eventsWith({ clientId: 'sub-2' })).toEqual([
      'connect sub-2',
      'subscribe sub-2 b/+',
      'delivered sub-2 b/x',
    ]);
    expect(
      (await eventsWith({ clientId: 'sub-*' })).filter((one) => one.startsWith('connect')),
    ).toEqual(['connect sub-1', 'connect sub-2']);
  });

  test('other topics, and what is about none', async () => {
    expect(await eventsWith({ topic: '+/x' })).toEqual([
      'subscribe sub-1 a/#',
      'subscribe sub-2 b/+',
      'publish pub a/x',
      'delivered sub-1 a/x',
      'publish pub b/x',
      'delivered sub-2 b/x',
    ]);
    expect(await eventsWith({ topic: 'a/#' })).toEqual([
      'subscribe sub-1 a/#',
      'publish pub a/x',
      'delivered sub-1 a/x',
    ]);
  });

  test('both at once; then a client that comes and goes is shown', async () => {
    expect(await eventsWith({ clientId: 'sub-1', topic: 'a/#' })).toEqual([
      'connect sub-1',
      'subscribe sub-1 a/#',
      'delivered sub-1 a/x',
    ]);
  });
});

describe('where it ends', () => {
  test('after its time, after its number of events, with the server', async () => {
    const broker = await startServer();
    const timed = new Traced(broker, { forMs: 1_000 }).read();
    const counted = new Traced(broker, { max: 2 }).read();
    const open = new Traced(broker).read();
    const publisher = await broker.v5('p');
    for (let i = 0; i < 2; i++) await publisher.send(publishV5({ topicName: 't' }));
    expect((await counted.told('reason', 'events', 'lost')).at(-1)).toBe('end max 2 0');
    expect(counted.hasEnded).toBe(true);
    expect(timed.hasEnded).toBe(false);
    await broker.advance(1_000);
    expect((await timed.told('reason', 'events', 'lost')).at(-1)).toBe('end time 5 0');
    await broker.server.stop();
    expect((await open.told('reason')).at(-1)).toBe('end shutdown');
    expect(() => new Traced(broker)).toThrow('the server stops');
  });

  test('there are four at most, and another when one has ended', async () => {
    const broker = await startServer();
    const traces = [1, 2, 3, 4].map(() => new Traced(broker));
    expect(() => new Traced(broker)).toThrow('4 traces run already');
    traces[0].trace.close();
    new Traced(broker);
    expect(() => new Traced(broker)).toThrow('4 traces run already');
  });

  test.each(['a/#/b', '$share/g/t'])('the filter %s is none', async (topic) => {
    const broker = await startServer();
    expect(() => new Traced(broker, { topic })).toThrow(JSON.stringify(topic));
  });

  test('whoever waits is told that it is closed', async () => {
    const broker = await startServer();
    const traced = new Traced(broker).read();
    await settle();
    traced.trace.close();
    await settle();
    expect(traced.hasEnded).toBe(true);
  });
});

describe('under load', () => {
  const MANY = 500;
  const burst = joined(Array.from({ length: MANY }, () => publishV5({ topicName: 't' })));

  test('a thousand events a second are shown, and the others counted', async () => {
    const broker = await startServer();
    const publisher = await broker.v5('p');
    const traced = new Traced(broker).read();
    for (let i = 0; i < 4; i++) await publisher.send(burst); // two events each: publish, dropped
    await broker.advance(1_000);
    await publisher.send(publishV5({ topicName: 't' }));
    await settle();
    const shown = traced.events.filter(({ event }) => event === 'publish' || event === 'dropped');
    expect(shown).toHaveLength(1_002);
    expect(traced.events.filter(({ event }) => event === 'lost')).toMatchObject([
      { count: 8 * MANY - 1_000 },
    ]);
    expect(broker.server.stats().dropped.no_subscriber).toBe(4 * MANY + 1);
  });

  test('a reader that does not read is no reason to keep more than a megabyte', async () => {
    const broker = await startServer();
    const publisher = await broker.v5('p');
    const traced = new Traced(broker, { payload: true });
    const payload = 'x'.repeat(1_024);
    const packets = joined(
      Array.from({ length: 900 }, () => publishV5({ topicName: 't', payload })),
    );
    for (let i = 0; i < 4; i++) {
      await publisher.send(packets);
      await broker.advance(10_000);
    }
    const kept = (await traced.trace.next()) ?? '';
    expect(kept.length).toBeGreaterThan(1_000_000);
    expect(kept.length).toBeLessThan(1_050_000);
    await publisher.send(publishV5({ topicName: 't' }));
    const then = (await traced.trace.next()) ?? '';
    const [lost] = linesIn(then);
    expect(lost.event).toBe('lost');
    const events = linesIn(kept).slice(1); // without `begin`
    const missing = [...events, lost].filter(({ event }) => event === 'lost');
    const shown = events.length - missing.length + 1;
    const counted = missing.reduce((sum, { count }) => sum + Number(count), 0);
    expect(counted).toBe(4 * 900 * 2 - shown);
  });
});

test('one that has ended leaves nothing behind', async () => {
  const broker = await startServer();
  const { drops } = broker.server;
  const client = await subscriberV5(broker, 's', 't');
  expect(drops.trace).toBeNull();
  const first = new Traced(broker);
  const second = new Traced(broker);
  expect(drops.trace).not.toBeNull();
  first.trace.close();
  expect(drops.trace).not.toBeNull();
  second.trace.close();
  expect(drops.trace).toBeNull();
  expect(await second.trace.next()).toBeNull();
  await client.send(publishV5({ topicName: 't' }));
  await client.expect("30 04 0001 't' 00");
  expect(await second.trace.next()).toBeNull();
});
