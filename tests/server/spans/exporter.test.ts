// How spans get to a collector, and what happens when it is slow, down, overloaded or wrong: nothing grows, everything is counted,
// nothing secret is said, and no message waits.

import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { TracingOptions } from '../../../src/server/spans/options.ts';
import { type Answer, deadUrl, rawEndpoint } from '../../kit/http-endpoint.ts';
import { LogBook } from '../../kit/log-book.ts';
import { OtlpCollector } from '../../kit/otlp-collector.ts';
import { usedBytes } from '../../kit/resources.ts';
import { publishV5 } from '../../kit/traffic.ts';
import { until } from '../../kit/until.ts';
import { publishWith } from '../../kit/user-properties.ts';
import { settle, startServer, type TestServer, type WireClient } from '../../kit/wire.ts';

const SECRET = 'Bearer s3cret';

interface Traced {
  readonly broker: TestServer;
  readonly collector: OtlpCollector;
  readonly publisher: WireClient;
  readonly log: LogBook;
}

async function traced(
  respond: () => Answer | Promise<Answer> = () => ({ json: {} }),
  tracing: Partial<TracingOptions> = {},
): Promise<Traced> {
  const collector = await OtlpCollector.start(respond);
  const log = new LogBook();
  const headers = { authorization: SECRET };
  const options = collector.options({ spansPerSecondMax: 100_000, headers, ...tracing });
  const broker = await startServer({ tracing: options, logger: log });
  return { broker, collector, publisher: await broker.v5('p'), log };
}

/** That many spans: messages that nobody gets. */
async function publish(publisher: WireClient, count = 1): Promise<void> {
  for (let i = 0; i < count; i++) publisher.write(publishV5({ topicName: 't' }));
  await settle();
}

function figures({ broker }: Traced): object {
  const { exported, lost, waiting } = broker.server.tracing.figures;
  const { failed, queue_full, rejected } = lost;
  return { exported, failed, queue_full, rejected, waiting };
}

/** Time passes until the collector has been asked so often, and then until its answer has been read. */
async function asked({ broker, collector }: Traced, times: number): Promise<void> {
  await until(() => {
    if (collector.endpoint.asked.length < times) broker.clock.advance(50);
    return collector.endpoint.asked.length >= times;
  });
}

const NONE = { exported: 0, failed: 0, queue_full: 0, rejected: 0, waiting: 0 };

describe('a collector that works', () => {
  test('gets many spans in few requests, with the headers that are configured', async () => {
    const one = await traced();
    await publish(one.publisher, 600);
    await one.collector.taken(one.broker, 600);
    expect(one.collector.endpoint.asked).toHaveLength(3);
    expect(one.collector.endpoint.asked[0].headers).toMatchObject({ authorization: SECRET });
    await until(() => one.broker.server.tracing.figures.exported === 600);
    expect(figures(one)).toEqual({ ...NONE, exported: 600 });
  });

  test('one request at a time; what is too much meanwhile is dropped, the newest first', async () => {
    let answer = (): void => {};
    const held = new Promise<Answer>((resolve) => {
      answer = () => resolve({ json: {} });
    });
    const one = await traced(() => held, { queueMax: 10 });
    await publish(one.publisher, 4);
    await asked(one, 1);
    await publish(one.publisher, 20);
    await one.broker.advance(3_000);
    expect(one.collector.endpoint.asked).toHaveLength(1);
    expect(figures(one)).toEqual({ ...NONE, waiting: 10, queue_full: 14 });
    answer();
    await one.collector.taken(one.broker, 10);
  });

  test('says what it did not take', async () => {
    const partialSuccess = { rejectedSpans: '2', errorMessage: 'too old' };
    const one = await traced(() => ({ json: { partialSuccess } }));
    await publish(one.publisher, 3);
    await asked(one, 1);
    await until(() => one.broker.server.tracing.figures.waiting === 0);
    expect(figures(one)).toEqual({ ...NONE, exported: 1, rejected: 2 });
    const { level, fields } = lineOf(one, 'has something to say');
    expect(level).toBe('warn');
    expect(fields).toEqual({ endpoint: one.collector.url, rejected: 2, problem: 'too old' });
  });

  test.each(['', 'no JSON', '{"partialSuccess":null}', '{"partialSuccess":{"rejectedSpans":"x"}}'])(
    'may answer 200 with %j',
    async (body) => {
      const one = await traced(() => ({ body }));
      await publish(one.publisher);
      await asked(one, 1);
      await until(() => one.broker.server.tracing.figures.waiting === 0);
      expect(figures(one)).toEqual({ ...NONE, exported: 1 });
    },
  );
});

test.each([
  ['breaks off', (socket: Socket) => socket.destroy()],
  ['does not end in time', () => {}],
])('has the spans once it says 200, also where what follows %s', async (_what, then) => {
  let requests = 0;
  const endpoint = await rawEndpoint((socket) => {
    requests++;
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{', () => then(socket));
  });
  const one = await traced(undefined, { endpoint, timeoutMs: 1_000 });
  await publish(one.publisher);
  await until(() => {
    one.broker.clock.advance(50);
    return one.broker.server.tracing.figures.waiting === 0;
  });
  expect(figures(one)).toEqual({ ...NONE, exported: 1 });
  expect(requests).toBe(1);
});

function lineOf({ log }: Traced, part: string): LogBook['lines'][number] {
  const found = log.lines.find(({ message }) => message.includes(part));
  if (found === undefined) throw new Error(`no line of the log says: ${part}`);
  return found;
}

const isAlarmed = ({ broker }: Traced): boolean => broker.server.alarms.isRaised('tracing_failing');

describe('a collector that does not', () => {
  test.each([429, 502, 503, 504])('%d: the same comes again, and then it works', async (status) => {
    const answers: Answer[] = [{ status }, { json: {} }];
    const one = await traced(() => answers.shift() ?? { json: {} });
    await publish(one.publisher, 2);
    await asked(one, 2);
    const [first, second] = one.collector.endpoint.asked;
    expect(second.body).toBe(first.body);
    await until(() => one.broker.server.tracing.figures.waiting === 0);
    expect(figures(one)).toEqual({ ...NONE, exported: 2 });
    expect(lineOf(one, 'sent again').fields).toEqual({
      ...{ endpoint: one.collector.url, problem: `it answers with status ${status}` },
    });
    expect(isAlarmed(one)).toBe(false);
  });

  test.each([
    ['seconds', () => '30'],
    ['a date', ({ broker }: Traced) => new Date(broker.clock.wallNow() + 30_000).toUTCString()],
  ])('is left alone for as long as it says, in %s', async (_what, after) => {
    const answers: Answer[] = [];
    const one = await traced(() => answers.shift() ?? { json: {} });
    await publish(one.publisher);
    answers.push({ status: 503, headers: { 'retry-after': after(one) } });
    await asked(one, 1);
    const { waiting } = one.broker.server.tracing.figures;
    await until(() => one.log.lines.some(({ message }) => message.includes('sent again')));
    await publish(one.publisher, 5);
    await one.broker.advance(27_000);
    expect(one.collector.endpoint.asked).toHaveLength(1);
    expect(waiting).toBe(1);
    await one.broker.advance(4_000);
    await until(() => one.collector.endpoint.asked.length === 2);
  });

  test('is asked again after five minutes, however long it wants', async () => {
    const one = await traced(() => ({ status: 429, headers: { 'retry-after': '3600' } }));
    await publish(one.publisher);
    await asked(one, 1);
    await until(() => one.log.lines.some(({ message }) => message.includes('sent again')));
    await one.broker.advance(299_000);
    expect(one.collector.endpoint.asked).toHaveLength(1);
    await one.broker.advance(2_000);
    await until(() => one.collector.endpoint.asked.length === 2);
  });

  test('is tried five times; an alarm says so until it works again', async () => {
    let status = 503;
    const one = await traced(() => ({ status }));
    await publish(one.publisher);
    await asked(one, 5);
    await until(() => isAlarmed(one));
    expect(figures(one)).toEqual({ ...NONE, failed: 1 });
    status = 200;
    await publish(one.publisher);
    await asked(one, 6);
    await until(() => !isAlarmed(one));
    expect(figures(one)).toEqual({ ...NONE, exported: 1, failed: 1 });
  });

  test.each([
    [400, {}],
    [401, {}],
    [500, {}],
    [307, { location: 'http://127.0.0.1:1/' }],
  ])('%d: the same would do no better', async (status, headers) => {
    const one = await traced(() => ({ status, headers }));
    await publish(one.publisher);
    await asked(one, 1);
    await until(() => isAlarmed(one));
    await one.broker.advance(60_000);
    expect(one.collector.endpoint.asked).toHaveLength(1);
    expect(figures(one)).toEqual({ ...NONE, failed: 1 });
  });

  test('is not there: no message waits, no memory grows, no secret is told', async () => {
    const endpoint = await deadUrl();
    const one = await traced(undefined, { endpoint: `${endpoint}?key=k3y`, queueMax: 5 });
    await publish(one.publisher, 50);
    await until(() => {
      one.broker.clock.advance(50);
      return isAlarmed(one);
    });
    expect(figures(one)).toEqual({ ...NONE, failed: 5, queue_full: 45 });
    expect((await one.broker.server.figures()).spans).toEqual(one.broker.server.tracing.figures);
    expect(lineOf(one, 'sent again').fields).toEqual({
      endpoint,
      problem: 'no answer: ECONNREFUSED',
    });
    expect(JSON.stringify([one.log.lines, one.broker.server.alarms.active])).not.toMatch(
      /k3y|s3cret/,
    );
  });

  test('is not there: what publishers say at length takes no room while spans wait', async () => {
    const endpoint = await deadUrl();
    const one = await traced(undefined, { endpoint, timeoutMs: 60_000 });
    const text = `01-${'a'.repeat(32)}-${'b'.repeat(16)}-01-${'x'.repeat(50_000)}`;
    const packet = publishWith('t', [['traceparent', text]]);
    const before = await usedBytes();
    for (let i = 0; i < 200; i++) await one.publisher.send(packet);
    expect(figures(one)).toEqual({ ...NONE, waiting: 200 });
    expect(await usedBytes()).toBeLessThan(before + 200 * 25_000);
  });

  test('does not answer in time', async () => {
    const one = await traced(() => new Promise(() => {}), { timeoutMs: 20 });
    await publish(one.publisher);
    await asked(one, 2);
    expect(lineOf(one, 'sent again').fields).toMatchObject({ problem: 'no answer within 20 ms' });
  });

  test('closes its connections', async () => {
    const one = await traced(() => {
      one.collector.endpoint.dropConnections();
      return { json: {} };
    });
    await publish(one.publisher);
    await asked(one, 2);
    expect(lineOf(one, 'sent again').fields).toMatchObject({
      problem: expect.stringMatching(/^no answer: [A-Z_]+$/),
    });
  });

  test('never ends its answer: it is read so far and no further', async () => {
    const one = await traced(() => ({ body: 'x'.repeat(1_000_000) }));
    await publish(one.publisher);
    await asked(one, 1);
    await until(() => one.broker.server.tracing.figures.exported === 1);
  });
});

describe('switched over', () => {
  test('off: what is unfinished gets out, then there is nobody on the message path', async () => {
    const one = await traced();
    await publish(one.publisher, 2);
    one.broker.server.tracing.set(null);
    await publish(one.publisher, 2);
    await until(() => one.broker.server.tracing.figures.exported === 2);
    expect(one.collector.spans).toHaveLength(2);
    expect(one.broker.server.drops.trace).toBeNull();
    one.broker.server.tracing.set(one.collector.options());
    await publish(one.publisher);
    await one.collector.taken(one.broker, 3);
  });

  test('to the same: nothing is interrupted', async () => {
    const one = await traced();
    const watcher = one.broker.server.drops.trace;
    one.broker.server.tracing.set(
      one.collector.options({ spansPerSecondMax: 100_000, headers: { authorization: SECRET } }),
    );
    expect(one.broker.server.drops.trace).toBe(watcher);
  });

  test('beside a live trace: each sees all, and neither ends the other', async () => {
    const one = await traced();
    const { server } = one.broker;
    const request = { clientId: null, topic: 't', forMs: 60_000, max: 100, payload: false };
    const live = server.traces.open(request);
    await publish(one.publisher);
    await one.collector.taken(one.broker, 1);
    server.tracing.set(null);
    await publish(one.publisher);
    const lines = await live.next();
    expect(lines?.match(/"event":"publish"/g)).toHaveLength(2);
    expect(lines?.match(/"reason":"no_subscriber"/g)).toHaveLength(2);
    server.tracing.set(one.collector.options());
    live.close();
    await publish(one.publisher);
    await one.collector.taken(one.broker, 2);
  });

  test('an alarm does not outlive it', async () => {
    const one = await traced(() => ({ status: 400 }));
    await publish(one.publisher);
    await asked(one, 1);
    await until(() => isAlarmed(one));
    one.broker.server.tracing.set(null);
    expect(isAlarmed(one)).toBe(false);
  });
});

describe('a stop', () => {
  test('sends what there is', async () => {
    const one = await traced();
    await publish(one.publisher, 300);
    await one.broker.server.stop();
    expect(one.collector.spans).toHaveLength(300);
    expect(figures(one)).toEqual({ ...NONE, exported: 300 });
  });

  test('does not try again', async () => {
    const one = await traced(() => ({ status: 503 }));
    await publish(one.publisher, 300);
    await one.broker.server.stop();
    expect(figures(one)).toEqual({ ...NONE, failed: 300 });
    expect(one.collector.endpoint.asked).toHaveLength(2);
  });

  test('at once: a collector that does not answer holds up nothing', async () => {
    const one = await traced(() => new Promise(() => {}));
    await publish(one.publisher);
    await asked(one, 1);
    const stopped = one.broker.server.stop();
    one.broker.server.abort();
    await stopped;
    expect(figures(one)).toEqual({ ...NONE, failed: 1 });
    const { problem } = lineOf(one, 'spans were dropped').fields as { problem: string };
    expect(problem).toBe('no answer by the end of tracing');
  });
});
