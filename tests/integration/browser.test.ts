// MQTT.js in a page of a real browser, Debian's Chromium without a window, over ws and wss; which pages may connect; and what a
// person sees who opens the address of a WebSocket listener.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import type net from 'node:net';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Issued } from '../support/certificates.ts';
import { Certificates, listener } from './doors.ts';
import { startHub, within } from './hub.ts';
import { PROXY_ADDRESS, startNginx } from './proxies.ts';

const CHROMIUM = '/usr/bin/chromium';
const certificates = new Certificates();
const nginxCertificate = certificates.authority.server({ ip: [PROXY_ADDRESS] });

const FILES: Readonly<Record<string, readonly [type: string, content: Buffer]>> = {
  '/': [
    'text/html',
    Buffer.from(
      '<!doctype html><title>page</title><script src="/mqtt.js"></script><script src="/page.js"></script>',
    ),
  ],
  '/mqtt.js': [
    'text/javascript',
    readFileSync(
      path.join(
        path.dirname(createRequire(import.meta.url).resolve('mqtt')),
        '../dist/mqtt.min.js',
      ),
    ),
  ],
  '/page.js': ['text/javascript', readFileSync(new URL('browser-page.js', import.meta.url))],
};

let browser: Browser;
beforeAll(async () => {
  browser = await chromium
    .launch({
      executablePath: CHROMIUM,
      chromiumSandbox: false, // root has none
      // Only these two keys need no CA that the browser knows: all other certificates are checked.
      args: [
        `--ignore-certificate-errors-spki-list=${[certificates.server, nginxCertificate].map(keyHash)}`,
      ],
    })
    .catch((cause: unknown) => {
      const message = `${CHROMIUM} cannot be run; scripts/ci-tools.sh installs it`;
      throw new Error(message, { cause });
    });
}, 60_000);
afterAll(async () => {
  await browser?.close();
});

/** As Chromium has it. */
function keyHash({ keys }: Issued): string {
  const spki = keys.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

/** Serves the page; its origin. */
async function servePage(): Promise<string> {
  const server = http.createServer(({ url = '' }, response) => {
    const [type, content] = FILES[url] ?? ['text/plain', Buffer.from('not found')];
    response.writeHead(url in FILES ? 200 : 404, { 'Content-Type': type }).end(content);
  });
  server.listen(0, '127.0.0.1');
  await within(once(server, 'listening'), 'the page is served');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

async function openPage(url?: string): Promise<Page> {
  const page = await browser.newPage();
  onTestFinished(() => page.close());
  if (url !== undefined) await page.goto(url);
  return page;
}

/** What `talk` of browser-page.js says. */
function talk(page: Page, url: string, protocolVersion: 4 | 5): Promise<unknown> {
  const call = `talk(${JSON.stringify(url)}, ${protocolVersion})`;
  return within(page.evaluate(call), `the page talks to ${url}`);
}

const ALL_CAME = {
  outcome: 'all came',
  arrived: [
    { topic: 'page/0', qos: 0, begin: 'hello 0', length: 7 },
    { topic: 'page/1', qos: 1, begin: 'hello 1', length: 7 },
    { topic: 'page/2', qos: 2, begin: 'hello 2', length: 7 },
    { topic: 'page/big', qos: 1, begin: 'xxxxxxxxxx', length: 1_048_576 },
  ],
};

describe.each(['ws', 'wss'] as const)('a page in Chromium over %s', (transport) => {
  test.each([4, 5] as const)('sends and gets every QoS in version %i', async (version) => {
    const origin = await servePage();
    const hub = await startHub(...listener(transport, certificates, { origins: origin }));
    const page = await openPage(origin);
    expect(await talk(page, hub.urls[0], version)).toEqual(ALL_CAME);
    await hub.says(`"transport":"${transport}"`);
  });

  test('of an origin that is not listed is refused, and the log has the line that lets it in', async () => {
    const origin = await servePage();
    const elsewhere = 'https://app.example.com';
    const hub = await startHub(...listener(transport, certificates, { origins: elsewhere }));
    const page = await openPage(origin);
    expect(await talk(page, hub.urls[0], 5)).toMatchObject({
      outcome: expect.stringMatching(/^(?:closed|error: )/),
      arrived: [],
    });
    const warning = JSON.parse(await hub.says('a web page of a foreign origin was refused'));
    expect(warning).toMatchObject({
      level: 'warn',
      origin,
      add: `origins = ${JSON.stringify([elsewhere, origin])}`,
    });
    expect(hub.log.join('\n')).not.toContain('client connected');
  });

  test('sees a page that helps when a person opens the address', async () => {
    const hub = await startHub(...listener(transport, certificates));
    const page = await openPage();
    const { host } = new URL(hub.urls[0]);
    const response = await page.goto(`${transport === 'ws' ? 'http' : 'https'}://${host}`);
    expect(response?.status()).toBe(426);
    expect(await page.title()).toBe('MQTT over WebSocket');
    expect(await page.isVisible('h1:text("This is an MQTT server")')).toBe(true);
    expect(await page.isVisible('code:text-is("/mqtt")')).toBe(true);
    const shown = await page.screenshot();
    expect(shown.equals(await (await openPage()).screenshot()), 'the page is blank').toBe(false);
  });
});

test('a page in Chromium does not take a certificate that it does not trust', async () => {
  const origin = await servePage();
  const stranger = new Certificates();
  const hub = await startHub(...listener('wss', stranger, { origins: origin }));
  const page = await openPage(origin);
  expect(await talk(page, hub.urls[0], 5)).toMatchObject({ arrived: [] });
  await hub.says('the client refuses our certificate');
});

test('a page in Chromium that nginx serves with the server on one host needs no list of origins', async () => {
  const origin = await servePage();
  const hub = await startHub(...listener('ws', certificates));
  const { cert, key } = nginxCertificate;
  const port = await startNginx(
    `
    ssl_certificate ${certificates.write('nginx.crt', cert)};
    ssl_certificate_key ${certificates.write('nginx.key', key)};
    location / { proxy_pass ${origin}; }
    location = /mqtt {
      proxy_pass http://127.0.0.1:${hub.port};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $http_host;
    }`,
    { isEncrypted: true },
  );
  const host = `${PROXY_ADDRESS}:${port}`;
  const page = await openPage(`https://${host}`);
  expect(await talk(page, `wss://${host}/mqtt`, 5)).toEqual(ALL_CAME);
});
