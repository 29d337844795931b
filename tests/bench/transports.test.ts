// The load generator over every transport: against the built server, against one that asks for certificates, and against one that
// does everything wrong, whose faults are counted as over TCP.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { Authority } from '../support/certificates.ts';
import { bench } from './bench.ts';
import { FaultyBroker } from './faulty-broker.ts';

/** It ends when all messages are there; the seconds are for a machine that is very busy. */
const SHORT = '--count 20 --duration 10 --drain 10 --hold 0 --settle 0'.split(' ');
const FOLDER = temporaryFolder();

/** Some start several servers, one after the other. */
vi.setConfig({ testTimeout: 60_000 });

const ca = Authority.root();
const server = ca.server({ dns: ['localhost'], ip: ['127.0.0.1'] });
const client = ca.client({ commonName: 'bench' });
const CA = file('ca.pem', ca.issued.cert);
const CERT = file('client.pem', client.cert);
const KEY = file('client.key', client.key);

function file(name: string, content: string): string {
  const place = path.join(FOLDER, name);
  writeFileSync(place, content);
  return place;
}

test.each([
  [['--transport', 'mqtts', '--qos', '1', '--processes', '2']],
  [['--transport', 'ws', '--qos', '2']],
  [['--transport', 'ws', '--qos', '1', '-V', '5', '--frames', 'batch', '--size', '70k']],
  [['--transport', 'wss', '--qos', '1', '--rate', '500']],
])('pairs %j', async (args) => {
  const { exitCode, results, violations } = await bench('pairs', '-n', '3', ...args, ...SHORT);
  expect([exitCode, violations]).toEqual([0, []]);
  expect(results[0].integrity).toMatchObject({ expected: 60, received: 60, failures: [] });
});

test('connect over all transports, one after the other', async () => {
  const transports = ['--transport', 'mqtt,mqtts,ws,wss'];
  const { exitCode, stdout, results, violations } = await bench(
    ...['connect', '-n', '20', ...transports, ...SHORT],
  );
  expect([exitCode, violations]).toEqual([0, []]);
  expect(results.map(({ resumedPart }) => resumedPart)).toEqual([null, 0, null, 0]);
  expect(stdout).toMatch(/÷ mqtt .*server CPU each[\s\S]*connect -n 20 --transport wss/);
});

test('connect --resume: all handshakes are resumed', async () => {
  const { exitCode, results } = await bench(
    ...['connect', '-n', '20', '--transport', 'mqtts,wss', '--resume', ...SHORT],
  );
  expect(exitCode).toBe(0);
  expect(results.map(({ resumedPart }) => resumedPart)).toEqual([1, 1]);
});

const ASKS = { cert: server.cert, key: server.key, ca: ca.issued.cert, requestCert: true };

async function port(broker: FaultyBroker): Promise<number> {
  onTestFinished(() => broker.close());
  return broker.listen();
}

test.each([
  ['mqtts', ''],
  ['wss', '/mqtt'],
])('%s with a certificate of the clients', async (protocol, at) => {
  const isWebSocket = protocol === 'wss';
  const broker = new FaultyBroker({}, { isWebSocket, tls: ASKS });
  const url = `${protocol}://localhost:${await port(broker)}${at}`;
  const args = ['pairs', '-n', '2', '--qos', '1', '--url', url, '--ca', CA, ...SHORT];
  const known = await bench(...args, '--cert', CERT, '--key', KEY);
  expect([known.exitCode, known.violations]).toEqual([0, []]);
  const unknown = await bench(...args);
  expect(unknown.stderr).toContain(`No MQTT server lets a client in at ${url.replace(at, '')}`);
  expect(unknown.exitCode).toBe(1);
});

test('a certificate that nobody vouches for is refused, unless --insecure is said', async () => {
  const tls = { cert: server.cert, key: server.key };
  const url = `mqtts://127.0.0.1:${await port(new FaultyBroker({}, { tls }))}`;
  const args = ['pairs', '-n', '1', '--url', url, ...SHORT];
  const careful = await bench(...args);
  expect(careful.stderr).toMatch(/^bench: The certificate of mqtts:.*--ca FILE.*--insecure/);
  expect(careful.exitCode).toBe(1);
  const careless = await bench(...args, '--insecure');
  expect([careless.exitCode, careless.violations]).toEqual([0, []]);
});

test.each(['ws', 'wss', 'mqtts'])('faults are counted over %s', async (protocol) => {
  const faults = { lost: [3, 7, 8], doubled: [10, 11], swapped: [15], damaged: [12] };
  const tls = protocol === 'ws' ? undefined : { cert: server.cert, key: server.key };
  const isWebSocket = protocol !== 'mqtts';
  const broker = new FaultyBroker(faults, { isWebSocket, ...(tls && { tls }) });
  const url = `${protocol}://127.0.0.1:${await port(broker)}${isWebSocket ? '/mqtt' : ''}`;
  const { exitCode, results } = await bench(
    ...['pairs', '-n', '2', '--qos', '1', '--count', '20', '--duration', '0.5', '--drain', '0.8'],
    ...['--url', url, ...(tls ? ['--ca', CA] : [])],
  );
  expect(exitCode).toBe(1);
  expect(results[0].integrity).toMatchObject({
    sent: 40,
    received: 32,
    lost: [0, 8, 0],
    duplicates: [0, 4, 0],
    outOfOrder: 2,
    damaged: 2,
  });
});

test('a server that takes no WebSocket says why', async () => {
  const broker = new FaultyBroker({}, { isWebSocket: true });
  const { exitCode, stderr } = await bench(
    'pairs',
    '--url',
    `ws://127.0.0.1:${await port(broker)}`,
  );
  expect(stderr).toContain('(the server refused the WebSocket: HTTP/1.1 400 Bad Request)');
  expect(exitCode).toBe(1);
});
