import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Server } from '../../src/server/server.ts';
import { familyOf, metricsOf, readPage } from '../kit/metrics.ts';
import { PacketClient } from '../kit/packet-client.ts';
import { isBun } from '../kit/runtime.ts';
import { until } from '../kit/until.ts';
import { Authority, fromNow } from '../support/certificates.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

// No TLS on Bun: docs/runtimes.md.
test.skipIf(isBun)(
  'each listener says who is connected, who was refused and when its certificate ends',
  async () => {
    const authority = Authority.root();
    const ends = new Date(Math.floor(fromNow(10).getTime() / 1_000) * 1_000);
    const files = new MaterialFolder().pair('server', authority.server({ notAfter: ends }));
    const host = '127.0.0.1';
    const server = new Server({
      listeners: [
        { host, port: 0, accept: { connectionsMax: 1 } },
        { host, port: 0, protocol: 'mqtts', tls: files },
      ],
    });
    await server.start();
    onTestFinished(() => server.stop());
    const [plain, encrypted] = server.addresses;
    const client = PacketClient.tcp(plain.port);
    await client.connect('c');
    const refused = net.connect(plain.port, host);
    await once(refused, 'close');
    const silent = net.connect(encrypted.port, host);
    await until(() => server.listeners[1].connections === 1);
    expect(server.listeners).toEqual([
      {
        ...plain,
        name: `mqtt://${host}:0`,
        connections: 1,
        halfConnected: 0,
        refusals: { connections: 1 },
        certificateEndsMs: null,
        certificateLeftDays: null,
        crlLeftDays: null,
      },
      {
        ...encrypted,
        name: `mqtts://${host}:0`,
        connections: 1,
        halfConnected: 1,
        refusals: {},
        certificateEndsMs: ends.getTime(),
        certificateLeftDays: expect.closeTo(10, 1),
        crlLeftDays: null,
      },
    ]);
    const { samples } = await readPage(metricsOf(server));
    expect(familyOf(samples, 'iothub_certificate_expiry_timestamp_seconds')).toEqual({
      [`{listener="${encrypted.url}"}`]: ends.getTime() / 1_000,
    });
    expect(encrypted.url).toBe(`mqtts://127.0.0.1:${encrypted.port}`);
    silent.destroy();
    client.destroy();
    await until(() => server.listeners.every(({ connections }) => connections === 0));
  },
);
