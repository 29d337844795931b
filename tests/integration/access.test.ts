// Who may come in and do what, as the clients that people have show it: mosquitto_pub and mosquitto_sub, MQTT.js, Paho Python, at
// the built server with the configuration of `iothub init --tls` and users in its store.

import { readFileSync } from 'node:fs';
import { connect, type IClientOptions } from 'mqtt';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Collector, open } from './collector.ts';
import { type Finished, run, within } from './hub.ts';
import { type Account, DEVICE, SecuredHub } from './secured-hub.ts';

/** Debian's interpreter: the one its package is installed for. */
const PYTHON = '/usr/bin/python3';
const WRONG: Account = { ...DEVICE, password: 'guessed' };

let secured: SecuredHub;
beforeAll(async () => {
  secured = await SecuredHub.startForAll();
  return () => secured.end();
}, 40_000);

/** Everything that the administrator gets, until a message that comes after all that was sent before. */
async function watch(): Promise<() => Promise<string[]>> {
  const watcher = await open(secured.hub, { ...secured.admin, protocolVersion: 5 }, secured.mqtt);
  await watcher.client.subscribeAsync('#', { qos: 1 });
  return async () => {
    await watcher.client.publishAsync('fence', 'x', { qos: 1 });
    await arrived(watcher, ({ topic }) => topic === 'fence');
    return watcher.arrived.filter(({ topic }) => topic !== 'fence').map(({ topic }) => topic);
  };
}

/** Resolves when such a message has come. */
async function arrived(
  { client, arrived: all }: Collector,
  isIt: (message: Collector['arrived'][number]) => boolean,
): Promise<void> {
  const come = new Promise<void>((resolve) => {
    const look = () => all.some(isIt) && resolve();
    client.on('message', look);
    look();
  });
  await within(come, () => `a message, only ${JSON.stringify(all.map(({ topic }) => topic))} came`);
}

describe.each([
  ['mqttv31', 4, 5],
  ['mqttv311', 4, 5],
  ['mqttv5', 0x86, 0x87],
] as const)('mosquitto_pub and mosquitto_sub with -V %s', (version, wrong, notAuthorized) => {
  const shown = ({ username, password }: Account) => ['-u', username, '-P', password];

  async function mosquitto(program: 'pub' | 'sub', ...args: string[]): Promise<Finished> {
    const place = ['-h', '127.0.0.1', '-p', new URL(secured.mqtt).port, '-V', version];
    return run(`mosquitto_${program}`, [...place, ...args]).finished;
  }

  test('log in, and are told why not', async () => {
    const good = await mosquitto('pub', ...shown(DEVICE), '-t', 'devices/dev/a', '-n');
    expect([good.code, good.stderr]).toEqual([0, '']);
    const bad = await mosquitto('pub', ...shown(WRONG), '-t', 'a', '-n');
    expect(bad.code).toBe(wrong);
    expect(bad.stderr.toLowerCase()).toContain('bad user name or password');
    const unknown = await mosquitto('pub', '-u', 'eve', '-P', 'x', '-t', 'a', '-n');
    expect([unknown.code, unknown.stderr]).toEqual([bad.code, bad.stderr]);
    const nobody = await mosquitto('sub', '-t', 'a');
    expect(nobody.code).toBe(notAuthorized);
    expect(nobody.stderr).toMatch(/not authori[sz]ed/i);
  });

  test.each(['1', '2'])('a PUBLISH at QoS %s that is not allowed arrives nowhere', async (qos) => {
    const seen = await watch();
    for (const topic of ['devices/dev/a', 'devices/other/a', 'other']) {
      const args = ['-q', qos, '-t', topic, '-m', 'x'];
      const { code, stderr } = await mosquitto('pub', ...shown(DEVICE), ...args);
      expect(code).toBe(0);
      const isTold = version === 'mqttv5' && topic !== 'devices/dev/a';
      expect(stderr).toBe(isTold ? 'Warning: Publish 1 failed: Not authorized.\n' : '');
    }
    expect(await seen()).toEqual(['devices/dev/a']);
  });

  test('a SUBSCRIBE that is not allowed is refused, and delivers nothing', async () => {
    const seen = await watch();
    const subscriber = run('stdbuf', [
      ...[
        '-oL',
        'mosquitto_sub',
        '-h',
        '127.0.0.1',
        '-p',
        new URL(secured.mqtt).port,
        '-V',
        version,
      ],
      ...[
        ...shown(DEVICE),
        '-d',
        '-v',
        '-q',
        '1',
        '-C',
        '1',
        '-t',
        'other',
        '-t',
        'commands/dev/#',
      ],
    ]);
    const failure = { mqttv31: 1, mqttv311: 0x80, mqttv5: 0x87 }[version]; // MQTT 3.1 has no word for it
    await subscriber.prints(`Subscribed (mid: 1): ${failure}, 1`);
    for (const topic of ['other', 'commands/dev/secret', 'commands/dev/a']) {
      await mosquitto('pub', ...shown(secured.admin), '-q', '1', '-t', topic, '-m', 'x');
    }
    const { code, stdout } = await subscriber.finished;
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => / x$/.test(line))).toEqual(['commands/dev/a x']);
    expect(await seen()).toHaveLength(3);
  });

  test('a will that is not allowed keeps its client out', async () => {
    const args = ['-t', 'devices/dev/a', '-n', '--will-payload', 'x', '--will-topic'];
    const bad = await mosquitto('pub', ...shown(DEVICE), ...args, 'other');
    expect(bad.code).toBe(notAuthorized);
    const good = await mosquitto('pub', ...shown(DEVICE), ...args, 'devices/dev/will');
    expect(good.code).toBe(0);
  });

  test('a certificate or a password log in over TLS, and nothing does not', async () => {
    const seen = await watch();
    const tls = async (...args: string[]) => {
      const place = ['-h', 'localhost', '-p', new URL(secured.mqtts).port, '-V', version];
      const ca = ['--cafile', secured.file('tls/ca.crt')];
      const message = ['-q', '1', '-t', 'by/tls', '-m', 'x'];
      return (await run('mosquitto_pub', [...place, ...ca, ...message, ...args]).finished).code;
    };
    const [cert, key] = ['tls/client.crt', 'tls/client.key'].map((name) => secured.file(name));
    expect(await tls('--cert', cert, '--key', key)).toBe(0);
    expect(await tls(...shown(secured.admin))).toBe(0);
    expect(await tls()).toBe(notAuthorized);
    expect(await tls(...shown({ ...secured.admin, password: 'guessed' }))).toBe(wrong);
    expect(await seen()).toEqual(['by/tls', 'by/tls']);
  });
});

describe.each([
  [4, 4, 5, 0x80],
  [5, 0x86, 0x87, 0x87],
] as const)('MQTT.js in version %i', (protocolVersion, wrong, notAuthorized, notGranted) => {
  /** The code by which a client is refused. */
  async function refused(url: string, options: IClientOptions): Promise<unknown> {
    const client = connect(url, { protocolVersion, reconnectPeriod: 0, ...options });
    onTestFinished(() => void client.end(true));
    const told = new Promise<unknown>((resolve, reject) => {
      client.once('error', (error: Error & { code?: unknown }) => resolve(error.code));
      client.once('connect', () => reject(new Error('it was let in')));
    });
    return within(told, 'MQTT.js is refused');
  }

  test.each(['mqtt', 'ws', 'mqtts'] as const)(
    'logs in by %s, and is told why not',
    async (door) => {
      const ca = readFileSync(secured.file('tls/ca.crt'));
      const { [door]: url } = secured;
      const { client } = await open(secured.hub, { ...DEVICE, ca, protocolVersion }, url);
      await client.publishAsync('devices/dev/a', 'x', { qos: 1 });
      expect(await refused(url, { ...WRONG, ca })).toBe(wrong);
      expect(await refused(url, { username: 'eve', password: 'x', ca })).toBe(wrong);
      expect(await refused(url, { ca })).toBe(notAuthorized);
      expect(client.connected).toBe(true);
    },
  );

  test('a certificate is who it says', async () => {
    const [ca, cert, key] = ['ca.crt', 'client.crt', 'client.key'].map((name) =>
      readFileSync(secured.file(`tls/${name}`)),
    );
    const { client } = await open(secured.hub, { ca, cert, key, protocolVersion }, secured.mqtts);
    expect((await client.subscribeAsync('any/#', { qos: 1 }))[0].qos).toBe(1);
    await secured.hub.says('"username":"admin"');
  });

  test('what is not allowed keeps it connected', async () => {
    const seen = await watch();
    const { client } = await open(secured.hub, { ...DEVICE, protocolVersion }, secured.ws);
    for (const qos of [1, 2] as const) {
      const denied = client.publishAsync('other', 'x', { qos });
      if (protocolVersion === 5) await expect(denied).rejects.toMatchObject({ code: 0x87 });
      else await denied;
      await client.publishAsync('devices/dev/a', 'x', { qos });
    }
    const grants = new Promise<unknown>((resolve) => {
      client.subscribe(['commands/dev/#', 'other', '#'], { qos: 1 }, (error, _, suback) =>
        resolve(suback?.granted ?? error),
      );
    });
    expect(await grants).toEqual([1, notGranted, 1]);
    expect(client.connected).toBe(true);
    expect(await seen()).toEqual(['devices/dev/a', 'devices/dev/a']);
  });

  test('a token is a password, with the rules that are in it', async () => {
    const seen = await watch();
    const acl = [{ effect: 'allow', actions: ['publish'], topics: ['jobs/%u/#'] }];
    const password = await secured.token({ sub: 'robot', acl });
    const { client } = await open(secured.hub, { username: 'robot', password, protocolVersion });
    await client.publishAsync('jobs/robot/a', 'x', { qos: 1 });
    await client.publishAsync('jobs/other/a', 'x', { qos: 1 }).catch(() => {});
    expect(await seen()).toEqual(['jobs/robot/a']);
    expect(await refused(secured.mqtt, { username: 'other', password })).toBe(notAuthorized);
    const late = await secured.token({ sub: 'robot' }, 1);
    expect(await refused(secured.mqtt, { username: 'robot', password: late })).toBe(notAuthorized);
    const forged = `${password.slice(0, -8)}AAAAAAAA`;
    expect(await refused(secured.mqtt, { username: 'robot', password: forged })).toBe(wrong);
  });

  test('is ended when its token expires', async () => {
    const expiresAt = Math.floor(Date.now() / 1_000) + 3;
    const password = await secured.token({ sub: 'robot' }, expiresAt);
    const { client } = await open(secured.hub, { username: 'robot', password, protocolVersion });
    const told: unknown[] = [];
    client.once('disconnect', ({ reasonCode }) => told.push(reasonCode));
    await within(
      new Promise<void>((resolve) => client.once('close', () => resolve())),
      'it is ended',
    );
    expect(Date.now()).toBeGreaterThanOrEqual(expiresAt * 1_000);
    expect(told).toEqual(protocolVersion === 5 ? [0x87] : []);
  });

  test('is ended when its user is disabled, and not let in again', async () => {
    const { client } = await open(secured.hub, { ...DEVICE, protocolVersion });
    const told: unknown[] = [];
    client.once('disconnect', ({ reasonCode }) => told.push(reasonCode));
    const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
    await secured.users('disable', DEVICE.username);
    await within(closed, 'it is ended');
    expect(told).toEqual(protocolVersion === 5 ? [0x87] : []);
    expect(await refused(secured.mqtt, DEVICE)).toBe(wrong);
    await secured.users('enable', DEVICE.username);
    await open(secured.hub, { ...DEVICE, protocolVersion });
  });

  test('does not get the session of somebody else', async () => {
    const clientId = 'shared';
    const mine: IClientOptions = {
      ...{ ...DEVICE, protocolVersion, clientId, clean: false },
      properties: protocolVersion === 5 ? { sessionExpiryInterval: 3_600 } : undefined,
    };
    const first = await open(secured.hub, mine);
    await first.client.subscribeAsync('commands/dev/#', { qos: 1 });
    const code = await refused(secured.mqtt, { ...secured.admin, clientId });
    expect(code).toBe(protocolVersion === 5 ? 0x85 : 2);
    expect(first.client.connected).toBe(true);
    await first.client.endAsync();
    expect(await refused(secured.mqtt, { ...secured.admin, clientId })).toBe(code);
    await secured.hub.stop();
    await secured.serve();
    expect(await refused(secured.mqtt, { ...secured.admin, clientId })).toBe(code);
    const admin = await open(secured.hub, { ...secured.admin, protocolVersion });
    await admin.client.publishAsync('commands/dev/a', 'waited', { qos: 1 });
    expect((await (await open(secured.hub, mine)).has(1))[0].payload).toBe('waited');
  });
});

test.each(
  (['mqtt', 'ws', 'mqtts'] as const).flatMap((door) => [3, 4, 5].map((v) => [door, v] as const)),
)('Paho Python by %s in version %i is told what it may not', async (door, version) => {
  const seen = await watch();
  const paho = async ({ username, password }: Account): Promise<unknown> => {
    const args = [secured[door], String(version), secured.file('tls/ca.crt'), username, password];
    const script = 'tests/integration/client_paho_access.py';
    const { code, stdout, stderr } = await run(PYTHON, [script, ...args]).finished;
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout);
  };
  const notGranted = { 3: 1, 4: 0x80, 5: 0x87 }[version];
  expect(await paho(DEVICE)).toEqual({ connected: 0, granted: [1, notGranted], ended: false });
  expect(await paho(WRONG)).toEqual({ connected: version === 5 ? 0x86 : 4 });
  expect(await seen()).toEqual(['devices/dev/paho', 'devices/dev/paho']);
});
