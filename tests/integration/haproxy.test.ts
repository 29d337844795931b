// HAProxy in front of the server, which tells it the client's address, and who the client is, in a PROXY header.

import { expect, test } from 'vitest';
import { Certificates, listener } from './doors.ts';
import { type Finished, type Hub, run, startHub } from './hub.ts';
import { PROXY_ADDRESS, PROXY_SOURCE, startHaproxy } from './proxies.ts';

const certificates = new Certificates();
/** Where the clients come from. */
const CLIENT = '127.0.0.9';

function startBehindHaproxy(
  parameters: Readonly<Record<string, string>> = {},
  ...args: string[]
): Promise<Hub> {
  const trusting = { 'proxy-protocol': 'true', 'trusted-proxies': PROXY_SOURCE, ...parameters };
  return startHub(...listener('tcp', certificates, trusting), ...args);
}

function publish(port: number, ...args: string[]): Promise<Finished> {
  return run('mosquitto_pub', [
    ...['-A', CLIENT, '-h', PROXY_ADDRESS, '-p', String(port), '-i', 'client'],
    ...['-q', '1', '-t', 't', '-m', 'x', ...args],
  ]).finished;
}

/** What the log says of the client that connected. */
async function connected(hub: Hub): Promise<{ remote: string; username: string | null }> {
  return JSON.parse(await hub.says('"msg":"client connected"'));
}

/** An address of the client, and a port that is not the proxy's. */
const FROM_CLIENT = expect.stringMatching(/^127\.0\.0\.9:[1-9]\d*$/);

test.each([
  'send-proxy',
  'send-proxy-v2',
  'send-proxy-v2 proxy-v2-options crc32c',
  'send-proxy-v2 proxy-v2-options crc32c,unique-id',
])('HAProxy with %s: the log has the address of the client', async (option) => {
  const hub = await startBehindHaproxy();
  const port = await startHaproxy('', `127.0.0.1:${hub.port} source ${PROXY_SOURCE} ${option}`);
  const { code, stderr } = await publish(port);
  expect(code, stderr).toBe(0);
  expect(await connected(hub)).toMatchObject({ remote: FROM_CLIENT, username: null });
});

/** HAProxy ends TLS, and asks for a certificate. */
function bindTls(verify: 'required' | 'optional'): string {
  const { cert, key } = certificates.authority.server({ ip: [PROXY_ADDRESS] });
  const pair = certificates.write('haproxy.pem', cert + key);
  return `ssl crt ${pair} ca-file ${certificates.ca} verify ${verify}`;
}

const sensor = certificates.client({ commonName: 'sensor-1' });
const BY_CERTIFICATE = { 'proxy-certificate-name': 'true' };

test.each([
  'send-proxy-v2-ssl-cn',
  'send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c',
])(
  'HAProxy with %s: the name in the certificate that it verified is the user name',
  async (option) => {
    const hub = await startBehindHaproxy(BY_CERTIFICATE);
    const server = `127.0.0.1:${hub.port} source ${PROXY_SOURCE} ${option}`;
    const port = await startHaproxy(bindTls('required'), server);
    const { code, stderr } = await publish(
      port,
      ...['--cafile', certificates.ca, '--cert', sensor.cert, '--key', sensor.key],
      ...['-u', 'somebody', '-P', 'else'],
    );
    expect(code, stderr).toBe(0);
    expect(await connected(hub)).toMatchObject({ remote: FROM_CLIENT, username: 'sensor-1' });
  },
);

test('HAProxy with a client that shows no certificate: nobody is the user', async () => {
  const hub = await startBehindHaproxy(BY_CERTIFICATE);
  const server = `127.0.0.1:${hub.port} source ${PROXY_SOURCE} send-proxy-v2-ssl-cn`;
  const port = await startHaproxy(bindTls('optional'), server);
  const { code, stderr } = await publish(port, '--cafile', certificates.ca);
  expect(code, stderr).toBe(0);
  expect(await connected(hub)).toMatchObject({ remote: FROM_CLIENT, username: null });
});

test('HAProxy tells a name that the listener does not believe: nobody is the user', async () => {
  const hub = await startBehindHaproxy();
  const server = `127.0.0.1:${hub.port} source ${PROXY_SOURCE} send-proxy-v2-ssl-cn`;
  const port = await startHaproxy(bindTls('required'), server);
  const { code, stderr } = await publish(
    port,
    ...['--cafile', certificates.ca, '--cert', sensor.cert, '--key', sensor.key],
  );
  expect(code, stderr).toBe(0);
  expect(await connected(hub)).toMatchObject({ remote: FROM_CLIENT, username: null });
});

test('limits per address count the clients of HAProxy apart', async () => {
  const hub = await startBehindHaproxy({ 'connections-per-address-max': '1' });
  const server = `127.0.0.1:${hub.port} source ${PROXY_SOURCE} send-proxy-v2`;
  const port = await startHaproxy('', server);
  const staying = (address: string) =>
    run('stdbuf', [
      ...['-oL', 'mosquitto_sub', '-A', address, '-h', PROXY_ADDRESS, '-p', String(port)],
      ...['-d', '-t', 't'],
    ]);
  await staying(CLIENT).prints('Subscribed');
  await staying('127.0.0.10').prints('Subscribed');
  expect((await publish(port)).code).not.toBe(0);
});

test.each(['send-proxy', 'send-proxy-v2'])(
  'HAProxy’s health checks with %s are debug lines',
  async (option) => {
    const hub = await startBehindHaproxy({}, '--log-level', 'debug');
    const check = `source ${PROXY_SOURCE} ${option} check inter 50ms`;
    await startHaproxy('', `127.0.0.1:${hub.port} ${check}`);
    // What is said of one depends on how far the server is when the check is over.
    await hub.says(' before its ', 10);
    const lines = hub.log.filter((line) => line.includes(' before its '));
    expect(lines.map((line) => JSON.parse(line).level)).toEqual(lines.map(() => 'debug'));
    expect(hub.log.join('\n')).not.toContain('untrusted');
  },
);

test('HAProxy that sends no header is closed, and the log says what it must send', async () => {
  const hub = await startBehindHaproxy();
  const port = await startHaproxy('', `127.0.0.1:${hub.port} source ${PROXY_SOURCE}`);
  expect((await publish(port)).code).not.toBe(0);
  await hub.says('(HAProxy: send-proxy-v2; nginx: proxy_protocol on)');
});

test('HAProxy that is not trusted is closed', async () => {
  const hub = await startBehindHaproxy({ 'trusted-proxies': '127.0.0.6' });
  const server = `127.0.0.1:${hub.port} source ${PROXY_SOURCE} send-proxy-v2`;
  const port = await startHaproxy('', server);
  expect((await publish(port)).code).not.toBe(0);
  await hub.says('did not come from one of its trusted_proxies');
});
