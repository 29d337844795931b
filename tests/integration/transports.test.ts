// MQTT.js through every door that it can use, in both versions, against the built server.

import { readFileSync } from 'node:fs';
import type { IClientOptions, IConnackPacket, MqttClient } from 'mqtt';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { open } from './collector.ts';
import { Certificates, listener, TRANSPORTS } from './doors.ts';
import { startHub, within } from './hub.ts';

const certificates = new Certificates();
const ca = readFileSync(certificates.ca);
const CASES = TRANSPORTS.flatMap((transport) => [4, 5].map((version) => [transport, version]));

/** Not node:events' `once`, which rejects for an error: while nobody listens, MQTT.js tries again. */
function nextConnack(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((resolve) => client.once('connect', resolve));
}

describe.each(CASES as [(typeof TRANSPORTS)[number], 4 | 5][])(
  'MQTT.js over %s in version %i',
  (transport, protocolVersion) => {
    const options: IClientOptions = { protocolVersion, ca };

    test('sends and gets every QoS, to and from a client over TCP', async () => {
      const hub = await startHub(
        ...listener(transport, certificates),
        ...['--listener', 'mqtt://127.0.0.1:0'],
      );
      const here = await open(hub, { ...options, clientId: 'here' });
      const there = await open(hub, { protocolVersion }, hub.urls[1]);
      await here.client.subscribeAsync('to/here', { qos: 2 });
      await there.client.subscribeAsync('to/there', { qos: 2 });
      for (const qos of [0, 1, 2] as const) {
        await here.client.publishAsync('to/there', `there ${qos}`, { qos });
        await there.client.publishAsync('to/here', `here ${qos}`, { qos });
        expect((await there.has(qos + 1))[qos]).toMatchObject({
          payload: `there ${qos}`,
          packet: { qos, dup: false },
        });
        expect((await here.has(qos + 1))[qos]).toMatchObject({
          payload: `here ${qos}`,
          packet: { qos, dup: false },
        });
      }
      const connected = JSON.parse(await hub.says('"clientId":"here"'));
      expect(connected).toMatchObject({ transport, msg: 'client connected' });
    });

    test('sends and gets a megabyte at every QoS', async () => {
      const hub = await startHub(...listener(transport, certificates));
      const client = await open(hub, options);
      await client.client.subscribeAsync('big', { qos: 2 });
      for (const qos of [0, 1, 2] as const) {
        const payload = String(qos).repeat(1_048_576);
        await client.client.publishAsync('big', payload, { qos });
        const arrived = (await client.has(qos + 1))[qos];
        expect(arrived.payload === payload, `${arrived.payload.length} characters came`).toBe(true);
      }
    });

    test('comes back to its session after the network broke, and after the server was killed', async () => {
      const data = temporaryFolder();
      const hub = await startHub(...listener(transport, certificates), '--data', data);
      const faithful = await open(hub, {
        ...options,
        clientId: 'faithful',
        clean: false,
        reconnectPeriod: 20,
        resubscribe: false,
        properties: protocolVersion === 5 ? { sessionExpiryInterval: 3_600 } : undefined,
      });
      const { client } = faithful;
      await client.subscribeAsync('t', { qos: 1 });

      let isBack = nextConnack(client);
      client.stream.destroy();
      const broken = await within(isBack, 'the client is back after the network broke');
      expect(broken.sessionPresent).toBe(true);

      isBack = nextConnack(client);
      expect(await hub.stop('SIGKILL')).toBe('SIGKILL');
      const again = await startHub(
        ...listener(transport, certificates, {}, hub.urls[0]),
        ...['--data', data],
      );
      const killed = await within(isBack, 'the client is back after the server was killed');
      expect(killed.sessionPresent).toBe(true);
      const publisher = await open(again, options);
      await publisher.client.publishAsync('t', 'x', { qos: 1 });
      expect((await faithful.has(1))[0].payload).toBe('x');
    });
  },
);

describe.each([4, 5] as const)('MQTT.js in version %i', (protocolVersion) => {
  test('has its pings answered over each of them, and stays', async () => {
    const hub = await startHub(...TRANSPORTS.flatMap((one) => listener(one, certificates)));
    const stayed = hub.urls.map(async (url) => {
      const { client } = await open(hub, { protocolVersion, ca, keepalive: 2 }, url);
      let answers = 0;
      await within(
        new Promise<void>((resolve) => {
          client.on('packetreceive', ({ cmd }) => {
            // The second comes later than one and a half times the keep-alive.
            if (cmd === 'pingresp' && ++answers === 2) resolve();
          });
        }),
        () => `two PINGRESPs from ${url}, only ${answers} came`,
      );
      return client.connected;
    });
    expect(await Promise.all(stayed)).toEqual([true, true, true, true]);
  });
});
