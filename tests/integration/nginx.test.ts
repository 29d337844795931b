// nginx in front of a WebSocket listener, with TLS: it passes the upgrade on and tells the client's address in a header.

import { readFileSync } from 'node:fs';
import type { IClientOptions } from 'mqtt';
import { describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { open } from './collector.ts';
import { Certificates, listener } from './doors.ts';
import { type Hub, startHub, within } from './hub.ts';
import { PROXY_ADDRESS, PROXY_SOURCE, startNginx } from './proxies.ts';

const certificates = new Certificates();
const ca = readFileSync(certificates.ca);
/** Where the clients come from. */
const CLIENT = '127.0.0.9';

const PASSES_ON = `
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $http_host;
      proxy_bind ${PROXY_SOURCE};`;

/** nginx with TLS in front of the hub; its URL for clients. */
async function startInFront(hub: Hub, more: string): Promise<string> {
  const { cert, key } = certificates.authority.server({ ip: [PROXY_ADDRESS] });
  const port = await startNginx(
    `
    ssl_certificate ${certificates.write('nginx.crt', cert)};
    ssl_certificate_key ${certificates.write('nginx.key', key)};
    location /mqtt {
      proxy_pass http://127.0.0.1:${hub.port};${PASSES_ON}
      ${more}
    }`,
    { isEncrypted: true },
  );
  return `wss://${PROXY_ADDRESS}:${port}/mqtt`;
}

function startBehindNginx(header: string, more: Readonly<Record<string, string>> = {}) {
  const parameters = { 'forwarded-header': header, 'trusted-proxies': PROXY_SOURCE, ...more };
  return startHub(...listener('ws', certificates, parameters));
}

/** A client that comes from CLIENT through nginx, and claims to come from elsewhere. */
function comingWith(headers: Readonly<Record<string, string>>): IClientOptions {
  return { clientId: 'client', wsOptions: { ca, headers, localAddress: CLIENT } };
}

async function remoteOf(hub: Hub): Promise<string> {
  return JSON.parse(await hub.says('"msg":"client connected"')).remote;
}

describe.each([4, 5] as const)('MQTT.js in version %i through nginx', (protocolVersion) => {
  test.each([
    ['x-forwarded-for', 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;'],
    ['forwarded', 'proxy_set_header Forwarded "$http_forwarded, for=$remote_addr";'],
  ])('sends and gets every QoS; %s tells its address', async (header, setHeader) => {
    const hub = await startBehindNginx(header);
    const url = await startInFront(hub, setHeader);
    const claims = { 'X-Forwarded-For': '203.0.113.7', Forwarded: 'for=203.0.113.7' };
    const client = await open(hub, { protocolVersion, ...comingWith(claims) }, url);
    await client.client.subscribeAsync('t', { qos: 2 });
    for (const qos of [0, 1, 2] as const) {
      await client.client.publishAsync('t', 'x'.repeat(100_000), { qos });
      expect((await client.has(qos + 1))[qos].payload).toHaveLength(100_000);
    }
    // Where the client comes from, whatever it says; the port is nginx's, and not told.
    expect(await remoteOf(hub)).toBe(CLIENT);
  });
});

test('who does not come through nginx is not believed', async () => {
  const hub = await startBehindNginx('x-forwarded-for');
  await open(hub, comingWith({ 'X-Forwarded-For': '203.0.113.7' }));
  expect(await remoteOf(hub)).toMatch(/^127\.0\.0\.9:[1-9]\d*$/);
});

test('pings keep a client that is idle for longer than nginx waits', async () => {
  const hub = await startBehindNginx('x-forwarded-for', { 'ping-interval': '400ms' });
  const url = await startInFront(hub, 'proxy_read_timeout 1s; proxy_send_timeout 1s;');
  let pings = 0;
  let isEnough = () => {};
  const enough = new Promise<void>((resolve) => {
    isEnough = resolve;
  });
  const { client } = await open(
    hub,
    {
      keepalive: 0,
      createWebsocket: (address, protocols) =>
        new WebSocket(address, protocols, { ca }).on('ping', () => {
          if (++pings === 5) isEnough();
        }),
    },
    url,
  );
  await within(enough, () => `five pings; ${pings} came`);
  expect(client.connected).toBe(true);
});
