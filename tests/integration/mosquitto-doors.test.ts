// mosquitto_pub and mosquitto_sub through the doors that are not plain TCP: TLS, mutual TLS and a unix socket. Debian's 2.0.11 has
// no WebSocket.

import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../kit/folder.ts';
import { Authority } from '../support/certificates.ts';
import { Certificates, listener } from './doors.ts';
import { type Hub, run, startHub } from './hub.ts';

const certificates = new Certificates();
const client = certificates.client({ commonName: 'sensor-1' });
const MUTUAL = { 'client-certificate': 'required', ca: certificates.ca, identity: 'cn' };

/** A listener, how a client finds it, and what the log says of one. */
interface Door {
  readonly listener: () => readonly string[];
  readonly client: (hub: Hub) => readonly string[];
  readonly logged: object;
}

const overTls = ({ port }: Hub) => [
  ...['-h', '127.0.0.1', '-p', String(port), '--cafile', certificates.ca],
];

const DOORS: Readonly<Record<string, Door>> = {
  TLS: {
    listener: () => listener('tls', certificates),
    client: overTls,
    logged: { transport: 'tls', username: null },
  },
  'mutual TLS': {
    listener: () => listener('tls', certificates, MUTUAL),
    client: (hub) => [...overTls(hub), '--cert', client.cert, '--key', client.key],
    logged: { transport: 'tls', username: 'sensor-1' },
  },
  '--unix': {
    listener: () => [
      ...['--listener', `mqtt+unix://${path.join(temporaryFolder(), 'iothub.sock')}?mode=0600`],
    ],
    client: ({ urls }) => ['--unix', urls[0].replace('mqtt+unix://', '')],
    logged: { transport: 'unix', username: null },
  },
};

describe.each(Object.keys(DOORS))('over %s', (name) => {
  const door = DOORS[name];

  test.each(['mqttv31', 'mqttv311', 'mqttv5'])('%s sends and gets every QoS', async (version) => {
    const hub = await startHub(...door.listener());
    const common = [...door.client(hub), '-V', version];
    const subscriber = run('stdbuf', [
      ...['-oL', 'mosquitto_sub', ...common, '-d', '-i', 'sub', '-q', '2', '-t', 'a/#'],
      ...['-F', 'got %t %q %p', '-C', '3'],
    ]);
    await subscriber.prints('Subscribed');
    for (const qos of ['0', '1', '2']) {
      const message = ['-q', qos, '-t', `a/${qos}`, '-m', `hello ${qos}`];
      const { code, stderr } = await run('mosquitto_pub', [...common, ...message]).finished;
      expect(code, stderr).toBe(0);
    }
    const { code, stdout, stderr } = await subscriber.finished;
    expect(code, stderr).toBe(0);
    expect(stdout.match(/^got .*$/gm)).toEqual([
      'got a/0 0 hello 0',
      'got a/1 1 hello 1',
      'got a/2 2 hello 2',
    ]);
    const connected = JSON.parse(await hub.says('"clientId":"sub"'));
    expect(connected).toMatchObject({ ...door.logged, msg: 'client connected' });
  });
});

/** Publishes through a TLS listener, where nothing may come of it. */
async function refused(hub: Hub, ...args: string[]): Promise<void> {
  const { code } = await run('mosquitto_pub', [
    ...['-h', '127.0.0.1', '-p', String(hub.port), ...args, '-t', 't', '-m', 'x'],
  ]).finished;
  expect(code, 'the exit code of mosquitto_pub').not.toBe(0);
}

test('mosquitto_pub with another CA is refused by itself, and the log says why', async () => {
  const hub = await startHub(...listener('tls', certificates));
  const foreign = certificates.write('foreign.pem', Authority.root().issued.cert);
  await refused(hub, '--cafile', foreign);
  await hub.says('the client does not trust our certificate');
  expect(hub.log.join('\n')).not.toContain('client connected');
});

test('mosquitto_pub without a certificate does not come in where one is required', async () => {
  const hub = await startHub(...listener('tls', certificates, MUTUAL));
  await refused(hub, '--cafile', certificates.ca);
  await hub.says('"code":"NO_CERTIFICATE"');
  expect(hub.log.join('\n')).not.toContain('client connected');
});

test('mosquitto_pub with a client certificate of another CA does not come in', async () => {
  const hub = await startHub(...listener('tls', certificates, MUTUAL));
  const foreign = Authority.root().client({ commonName: 'sensor-1' });
  await refused(
    hub,
    ...['--cafile', certificates.ca],
    ...['--cert', certificates.write('foreign.crt', foreign.cert)],
    ...['--key', certificates.write('foreign.key', foreign.key)],
  );
  await hub.says('the client certificate is refused');
  expect(hub.log.join('\n')).not.toContain('client connected');
});
