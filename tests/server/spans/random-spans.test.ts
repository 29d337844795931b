// Whatever happens to messages, to their subscribers and their queues: each delivery has one span, with its own end, and what the
// spans say is lost is what was counted.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OtlpCollector, type SpanTaken } from '../../kit/otlp-collector.ts';
import { runs } from '../../kit/runs.ts';
import { ONE_HOUR, startStored } from '../../kit/stored.ts';
import { hex16, publishV5 } from '../../kit/traffic.ts';
import { settle, type TestServer, type WireClient } from '../../kit/wire.ts';

const CLIENTS = ['a', 'b', 'c'];
/** SUBSCRIBE to `t` and to `$share/g/t`, but for the options. */
const SUBSCRIBES = ["82 07 0009 00 0001 't'", "82 10 0009 00 000a '$share/g/t'"];

const qos = fc.constantFrom(0, 1, 2);
const client = fc.constantFrom(...CLIENTS);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ does: fc.constant('publish' as const), qos }) },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ does: fc.constant('subscribe' as const), client, qos },
      subscribe: fc.constantFrom(...SUBSCRIBES),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      ...{ does: fc.constant('answer' as const), client },
      reasonCode: fc.constantFrom('00', '00', '00', '83'),
      acknowledges: fc.constantFrom(1, 2),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      ...{ does: fc.constant('come or go' as const), client },
      cleanStart: fc.constantFrom(false, false, true),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Clients {
  readonly #broker: TestServer;
  readonly #publisher: WireClient;
  readonly #connected = new Map<string, WireClient>();
  #packetId = 0;

  constructor(broker: TestServer, publisher: WireClient) {
    this.#broker = broker;
    this.#publisher = publisher;
  }

  async take(one: Step): Promise<void> {
    if (one.does === 'publish') {
      const packetId = ++this.#packetId;
      await this.#publisher.send(publishV5({ topicName: 't', qos: one.qos as 0, packetId }));
      if (one.qos === 2) await this.#publisher.send(`62 02 ${hex16(packetId)}`);
      return;
    }
    const connected = this.#connected.get(one.client);
    if (one.does === 'come or go') {
      if (connected === undefined) await this.#come(one.client, one.cleanStart);
      else await this.#go(one.client, connected);
    } else if (connected === undefined) {
      await this.#come(one.client, false);
    } else if (one.does === 'subscribe') {
      await connected.send(`${one.subscribe} 0${one.qos}`);
    } else {
      await this.#answer(connected, one.reasonCode, one.acknowledges);
    }
  }

  /** All sessions end. */
  async end(): Promise<void> {
    for (const clientId of CLIENTS) await this.#broker.v5(clientId);
  }

  async #come(clientId: string, cleanStart: boolean): Promise<void> {
    const properties = `${ONE_HOUR} 21 0002`; // Receive Maximum 2
    this.#connected.set(clientId, await this.#broker.v5(clientId, cleanStart, properties));
  }

  async #go(clientId: string, connected: WireClient): Promise<void> {
    this.#connected.delete(clientId);
    await connected.drop();
  }

  /** PUBACK, or the whole of QoS 2, for the first few that came; what comes to a PUBREC meanwhile waits for the next answer. */
  async #answer(connected: WireClient, reasonCode: string, acknowledges: number): Promise<void> {
    let left = acknowledges;
    for (const packet of await connected.packets()) {
      const level = (packet[0] >> 1) & 3;
      if (packet[0] >> 4 !== 3 || level === 0 || left-- <= 0) continue;
      const id = hex16((packet[5] << 8) | packet[6]);
      await connected.send(`${level === 1 ? '40' : '50'} 03 ${id} ${reasonCode}`);
      if (level === 2 && reasonCode === '00') await connected.send(`70 02 ${id}`);
    }
  }
}

/** How many deliveries were lost, by reason. */
function lossesOf(spans: readonly SpanTaken[]): Record<string, number> {
  const losses: Record<string, number> = {};
  for (const { attributes } of spans) {
    const reason = attributes['iothub.drop.reason'];
    if (typeof reason === 'string') losses[reason] = (losses[reason] ?? 0) + 1;
  }
  return losses;
}

test('every delivery has one span that ends as it did', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
      const collector = await OtlpCollector.start();
      const tracing = collector.options({ spansPerSecondMax: 100_000 });
      const { broker } = await startStored({ tracing, limits: { queueMessagesMax: 4 } });
      const clients = new Clients(broker, await broker.v5('p'));
      for (const one of steps) await clients.take(one);
      await clients.end();
      await settle();
      const { dropped } = broker.server.stats();
      broker.server.tracing.set(null);
      await broker.server.tracing.close();
      const { spans } = collector;
      const published = spans.filter(({ name }) => name === 'publish');
      expect(published).toHaveLength(steps.filter(({ does }) => does === 'publish').length);
      const ids = new Set(published.map(({ spanId }) => spanId));
      for (const { name, attributes, parentSpanId = '' } of spans) {
        if (name !== 'deliver') continue;
        expect(ids.has(parentSpanId)).toBe(true);
        expect(attributes['iothub.delivery.outcome']).not.toBe('unfinished');
      }
      const lost = Object.entries(dropped).filter(([, count]) => count > 0);
      expect(lossesOf(spans)).toEqual(Object.fromEntries(lost));
      await broker.server.stop();
    }),
    { numRuns: runs(25), interruptAfterTimeLimit: 30_000 },
  );
});
