import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { readListenerFlag } from '../../src/config/listener-flag.ts';
import { loadConfig } from '../../src/config/load.ts';
import { loadProblems } from './problems.ts';

/** The table that a flag stands for, seen from /work. */
function tableOf(url: string): unknown {
  const flag = readListenerFlag(url, '/srv');
  if (typeof flag === 'string') throw new Error(flag);
  return flag.table;
}

describe('--listener', () => {
  test('is a table of the file, written as a URL', () => {
    expect(tableOf('mqtt://localhost')).toEqual({ url: 'mqtt://localhost:1883' });
    expect(
      tableOf(
        'mqtts://:8883?anonymous=true&authenticators=people,devices&connections-max=5&cert=c.pem&key=%2Fk%3D.pem&ca=a&client-certificate=required&packet-size-max=64KiB&trusted-proxies=10.0.0.0/8,loopback&proxy-protocol=true',
      ),
    ).toEqual({
      url: 'mqtts://:8883',
      anonymous: true,
      authenticators: ['people', 'devices'],
      connections_max: 5,
      trusted_proxies: ['10.0.0.0/8', 'loopback'],
      proxy_protocol: true,
      tls: {
        cert: path.resolve('/srv/c.pem'),
        key: path.resolve('/k=.pem'),
        ca: path.resolve('/srv/a'),
        client_certificate: 'required',
      },
      limits: { packet_size_max: '64KiB' },
    });
    expect(tableOf('mqtt+unix:///run/x?mode=0600&owner=1000')).toEqual({
      url: 'mqtt+unix:///run/x',
      socket: { mode: '0600', owner: '1000' },
    });
    expect(tableOf('ws://127.0.0.1?origins=https://a&compression=true')).toMatchObject({
      websocket: { origins: ['https://a'], compression: true },
    });
  });

  test('stands for all listeners of the file, in their order', async () => {
    const { config } = await loadConfig(null, {
      listeners: ['mqtt://127.0.0.1:1', 'ws://127.0.0.1:2?ping-interval=5s'],
    });
    expect(config.listeners).toMatchObject([
      { url: 'mqtt://127.0.0.1:1' },
      { url: 'ws://127.0.0.1:2', websocket: { pingIntervalMs: 5_000 } },
    ]);
  });

  test.each([
    ['tcp://127.0.0.1', 'write mqtt://127.0.0.1'],
    [
      'mqtt://127.0.0.1?connection-max=5',
      'unknown parameter "connection-max"; did you mean connections-max?',
    ],
    ['mqtt://127.0.0.1?connections_max=5', 'did you mean connections-max?'],
    [
      'mqtt://127.0.0.1?colour-of-it-all=5',
      'known are anonymous, authenticators, proxy-protocol, ',
    ],
    ['mqtt://127.0.0.1?sni=5', 'unknown parameter "sni"'],
    ['mqtt://127.0.0.1?port=5', 'port stands before the ?, as in mqtt://127.0.0.1:1883'],
    ['mqtt://127.0.0.1?qos-max=1&qos-max=2', 'qos-max is said twice'],
    [
      'mqtt://127.0.0.1?qos-max=3&anonymous=yes',
      'anonymous: "yes" is not true or false; qos-max: 3 is not one of',
    ],
    ['mqtts://127.0.0.1', 'in a URL of the command line: ?cert=server.pem&key=server.key'],
    ['mqtts://127.0.0.1?cert=a', 'is not complete: add the line key ='],
    ['mqtt://127.0.0.1?cert=a&key=b', 'mqtt:// has no TLS: write mqtts:// in url'],
    ['mqtts://127.0.0.1?cert=&key=b', 'cert: "" is not a text of 1 to 4096 characters'],
    [
      'mqtts://127.0.0.1?cert=a&key=b&key-passphrase=geheim',
      'a passphrase on the command line can be read by others on this machine: write key-passphrase-file=PATH',
    ],
  ])('%s is refused in one sentence', (url, sentence) => {
    const problem = readListenerFlag(url, '/srv');
    expect(problem).toContain(sentence);
    expect(problem).not.toContain('geheim');
  });

  test('is named where something is wrong with it among others', async () => {
    const url = 'mqtts://127.0.0.1:1?cert=/nowhere/c&key=/nowhere/k';
    expect(await loadProblems(null, { listeners: ['mqtt://127.0.0.1:1', url] })).toEqual([
      `--listener '${url}': port 1 on 127.0.0.1 is listened on already`,
    ]);
  });
});
