// MQTT.js as the tests use it: every wait has a deadline, everything that arrives is kept.

import { connect, type IClientOptions, type IPublishPacket, type MqttClient } from 'mqtt';
import { onTestFinished } from 'vitest';
import { type Hub, within } from './hub.ts';

type Arrived = { topic: string; payload: string; packet: IPublishPacket };

/** A client that collects what arrives. */
export class Collector {
  readonly client: MqttClient;
  readonly arrived: Arrived[] = [];
  #waiting: (() => void)[] = [];

  constructor(client: MqttClient) {
    this.client = client;
    client.on('message', (topic, payload, packet) => {
      this.arrived.push({ topic, payload: payload.toString(), packet });
      for (const wake of this.#waiting) wake();
    });
  }

  /** Resolves when `count` messages have arrived. */
  async has(count: number, deadlineMs?: number): Promise<readonly Arrived[]> {
    await within(
      new Promise<void>((resolve) => {
        const look = () => {
          if (this.arrived.length >= count) resolve();
        };
        this.#waiting.push(look);
        look();
      }),
      () => `${count} messages, only ${this.arrived.length} came`,
      deadlineMs,
    );
    return this.arrived;
  }
}

/** Connects to the hub's first listener, unless `url` names another. */
export async function open(
  hub: Hub,
  options: IClientOptions,
  url = hub.urls[0],
): Promise<Collector> {
  // Not `connectAsync`: what comes right after CONNACK would find no listener yet.
  const client = connect(url, { reconnectPeriod: 0, ...options });
  const collector = new Collector(client);
  onTestFinished(() => {
    client.end(true);
  });
  await within(
    new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.on('error', reject);
    }),
    'MQTT.js connects',
  );
  return collector;
}

/** Publishes in order, no more than `window` unacknowledged: MQTT.js does not heed the server's Receive Maximum. */
export async function publishMany(
  { client }: Collector,
  topic: string,
  payloads: readonly string[],
  qos: 1 | 2,
  window = 50,
): Promise<void> {
  let next = 0;
  const lane = async () => {
    while (next < payloads.length) {
      await client.publishAsync(topic, payloads[next++], { qos }).catch(passOverRecovery);
    }
  };
  await Promise.all(Array.from(Array(window), lane));
}

/** PUBCOMP 0x92 to a PUBREL that MQTT.js repeats: it rejects, but "this is not an error during recovery". MQTT 5 §3.7.2.1 */
function passOverRecovery(error: Error & { code?: unknown }): void {
  if (error.code !== 0x92) throw error;
}
