import { rmSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Alarm, Alarms } from '../../../src/core/alarms.ts';
import { type Logger, SILENT } from '../../../src/core/logger.ts';
import { FakeClock } from '../../../src/lib/clock.ts';
import type { TlsOptions } from '../../../src/transport/tls/options.ts';
import { TlsMaterial } from '../../../src/transport/tls/reload.ts';
import { TlsAlarms } from '../../../src/transport/tls/tls-alarms.ts';
import { until } from '../../kit/until.ts';
import { Authority, type CertificateOptions, fromNow } from '../../support/certificates.ts';
import { MaterialFolder, tlsOptions } from './material-folder.ts';

const DAY_MS = 86_400_000;
const LISTENER = 'mqtts://127.0.0.1:8883';
const root = Authority.root();

/** Log lines: level, message and fields. */
type Line = readonly [level: string, message: string, fields: object];

class World {
  readonly folder = new MaterialFolder();
  readonly clock = new FakeClock(1_000, Date.now());
  readonly lines: Line[] = [];
  readonly alarms = new Alarms(this.clock, SILENT);
  readonly tlsAlarms = TlsAlarms.of(this.alarms);
  readonly swaps: boolean[] = [];

  /** A listener that watches its files by polling. */
  material(options: TlsOptions, listener = LISTENER): TlsMaterial {
    const line = (level: string) => (fields: object, message: string) =>
      void this.lines.push([level, message, fields]);
    const logger: Logger = {
      debug: line('debug'),
      info: line('info'),
      warn: line('warn'),
      error: line('error'),
      child: () => logger,
    };
    const material = new TlsMaterial({
      listener,
      tls: options,
      clock: this.clock,
      logger,
      alarms: this.tlsAlarms,
      pollMs: 30_000,
      watchesFolders: false,
    });
    material.onSwap = (_set, trustChanged) => void this.swaps.push(trustChanged);
    onTestFinished(() => material.close());
    return material;
  }

  /** A server's certificate and key in the files of that name. */
  serve(options: CertificateOptions = {}, name = 'server'): { cert: string; key: string } {
    return this.folder.pair(name, root.server(options));
  }

  alarm(name: string): Alarm | undefined {
    return this.alarms.active.find((alarm) => alarm.name === name);
  }

  messages(level: string): string[] {
    return this.lines.filter((line) => line[0] === level).map((line) => line[1]);
  }
}

async function started(changes: Partial<TlsOptions> = {}, certificate: CertificateOptions = {}) {
  const world = new World();
  const options = tlsOptions(world.serve(certificate), changes);
  const material = world.material(options);
  await material.start();
  return { world, material, options };
}

describe('at start', () => {
  test('the files are loaded, and the log says whose certificate it is and until when', async () => {
    const { world, material } = await started();
    const [own] = material.current.expiries;
    expect(world.lines).toEqual([
      [
        'info',
        'TLS certificate loaded',
        {
          listener: LISTENER,
          subject: 'CN=localhost',
          serialNumber: own?.serialNumber,
          notAfter: own?.notAfter.toISOString(),
        },
      ],
    ]);
    expect(world.swaps).toEqual([]);
    expect(world.alarms.active).toEqual([]);
  });

  test('bad files are an error with every problem, and nothing is left running', async () => {
    const world = new World();
    const { cert } = world.serve();
    const material = world.material(tlsOptions({ cert, key: world.folder.write('key', '') }));
    await expect(material.start()).rejects.toThrow('is empty: expected PEM');
    expect(await material.reload()).toBe(false);
    expect(world.lines).toEqual([]);
  });

  test('what is odd about the files is a warning', async () => {
    const { world } = await started({}, { notBefore: fromNow(1) });
    expect(world.messages('warn')[0]).toMatch('CN=localhost is not valid before');
  });

  test('what changes while the files are read is loaded after it', async () => {
    const world = new World();
    const material = world.material(tlsOptions(world.serve({ commonName: 'old' })));
    const start = material.start();
    const reload = material.reload();
    await start;
    world.serve({ commonName: 'new' });
    expect(await reload).toBe(true);
    expect(material.current.expiries[0]?.subject).toBe('CN=new');
  });
});

describe('a reload', () => {
  test('swaps in a good pair', async () => {
    const { world, material } = await started();
    const former = material.current;
    world.serve({ commonName: 'renewed' });
    expect(await material.reload()).toBe(true);
    expect(material.current).not.toBe(former);
    expect(material.current.ticketKeys).toEqual(former.ticketKeys);
    expect(material.current.expiries[0]?.subject).toBe('CN=renewed');
    expect(world.swaps).toEqual([false]);
    expect(world.lines.at(-1)).toMatchObject([
      'info',
      'TLS certificate reloaded',
      { listener: LISTENER, subject: 'CN=renewed', trustChanged: false },
    ]);
  });

  test('keeps the former set on any error, says all of it, and is over with the next good one', async () => {
    const { world, material, options } = await started();
    const former = material.current;
    world.folder.write('server.key', root.server().key);
    expect(await material.reload()).toBe(false);
    expect(material.current).toBe(former);
    expect(world.swaps).toEqual([]);
    const problem = `${options.key}: the key does not fit the certificate ${options.cert} (CN=localhost): use the key that its request was made with`;
    expect(world.lines.at(-1)).toEqual([
      'error',
      'the new TLS files cannot be used, the former ones stay',
      { listener: LISTENER, problems: [problem] },
    ]);
    expect(world.alarm('tls_reload_failed')).toMatchObject({
      severity: 'warning',
      message: `the new TLS files cannot be used, the former ones stay: ${problem}`,
    });

    world.serve();
    expect(await material.reload()).toBe(true);
    expect(world.alarms.active).toEqual([]);
    expect(world.swaps).toEqual([false]);
  });

  test('that finds the same files as before swaps nothing, and ends the alarm', async () => {
    const { world, material, options } = await started();
    const former = material.current;
    const certificate = root.server();
    rmSync(options.cert);
    expect(await material.reload()).toBe(false);
    expect(world.alarm('tls_reload_failed')?.message).toContain('does not exist');
    world.folder.pair('server', certificate);
    expect(await material.reload()).toBe(true);
    const current = material.current;
    expect(current).not.toBe(former);
    expect(await material.reload()).toBe(true);
    expect(material.current).toBe(current);
    expect(world.swaps).toEqual([false]);
    expect(world.alarms.active).toEqual([]);
  });

  test('says that authorities or lists changed', async () => {
    const world = new World();
    const client = root.client();
    const material = world.material(
      tlsOptions(world.serve(), {
        ca: world.folder.write('ca.crt', root.issued.cert),
        crl: world.folder.write('lists.crl', root.crl()),
        clientCertificate: 'required',
      }),
    );
    await material.start();
    const { ticketKeys } = material.current;
    expect(material.current.isRevoked(client.x509)).toBe(false);
    world.folder.write('lists.crl', root.crl({ revoked: [client] }));
    expect(await material.reload()).toBe(true);
    expect(world.swaps).toEqual([true]);
    expect(material.current.isRevoked(client.x509)).toBe(true);
    expect(material.current.ticketKeys).not.toEqual(ticketKeys);
  });

  test('for all who ask while one runs is one more', async () => {
    const { world, material } = await started();
    world.serve({ commonName: 'renewed' });
    const first = material.reload();
    const [second, third] = [material.reload(), material.reload()];
    expect(second).toBe(third);
    expect(second).not.toBe(first);
    expect(await Promise.all([first, second, third])).toEqual([true, true, true]);
    expect(world.messages('info')).toEqual([
      'TLS certificate loaded',
      'TLS certificate reloaded',
      'TLS files are the same as before',
    ]);
  });

  test('happens when the files change', async () => {
    const { world, material } = await started();
    world.serve({ commonName: 'renewed' });
    world.clock.advance(30_000);
    await until(() => world.swaps.length === 1);
    expect(material.current.expiries[0]?.subject).toBe('CN=renewed');
  });

  test('does not happen after close, and its alarms are over', async () => {
    const { world, material } = await started();
    const former = material.current;
    world.folder.write('server.key', '');
    await material.reload();
    expect(world.alarms.isRaised('tls_reload_failed')).toBe(true);
    world.serve();
    const running = material.reload();
    material.close();
    expect(await running).toBe(false);
    expect(await material.reload()).toBe(false);
    expect(material.current).toBe(former);
    expect(world.alarms.active).toEqual([]);
  });
});

describe('the end of a certificate', () => {
  const notAfter = new Date(Math.floor(fromNow(39).getTime() / 1_000) * 1_000);
  const notBefore = fromNow(-326);

  test('is an alarm thirty days before, a critical one when it is over, none when it is renewed', async () => {
    const { world, material, options } = await started({}, { notAfter, notBefore });
    const { clock } = world;
    expect(material.certificateLeftDays).toBeCloseTo(39, 3);
    expect(material.certificateEndsMs).toBe(notAfter.getTime());
    clock.advance(8.9 * DAY_MS);
    expect(world.alarms.active).toEqual([]);
    clock.advance(0.2 * DAY_MS);
    const ends = notAfter.toISOString();
    expect(world.alarm('certificate_expires')).toMatchObject({
      severity: 'warning',
      message: `the certificate CN=localhost (${options.cert}) ends on ${ends}, in 29 days: renew it`,
    });
    clock.advance(30 * DAY_MS);
    expect(material.certificateLeftDays).toBeCloseTo(-0.1, 1);
    expect(world.alarm('certificate_expires')).toMatchObject({
      severity: 'critical',
      message: `the certificate CN=localhost (${options.cert}) is over since ${ends}: clients refuse it, renew it now`,
    });
    world.serve({ notAfter: fromNow(300) });
    expect(await material.reload()).toBe(true);
    expect(world.alarms.active).toEqual([]);
  });

  test('is told once a day, and whenever the files are read; the first time the alarm tells it', async () => {
    const told = () =>
      world.lines.filter(([, message]) => message.startsWith('a certificate ends'));
    const world = new World();
    const options = tlsOptions(world.serve({ notBefore, notAfter: fromNow(20) }));
    const material = world.material(options);
    await material.start();
    expect(told()).toEqual([]);
    world.clock.advance(DAY_MS - 1);
    expect(told()).toEqual([]);
    world.clock.advance(DAY_MS);
    const fields = { listener: LISTENER, subject: 'CN=localhost', file: options.cert };
    expect(told()).toMatchObject([['warn', expect.anything(), { ...fields, days: 19 }]]);
    world.clock.advance(DAY_MS);
    expect(told()).toHaveLength(2);
    await material.reload();
    expect(told()).toHaveLength(3);
    world.serve({ notBefore, notAfter: fromNow(21) });
    await material.reload();
    expect(told()).toHaveLength(4);
    world.serve({ notAfter: fromNow(300) });
    await material.reload();
    world.clock.advance(2 * DAY_MS);
    expect(told()).toHaveLength(4);
  });

  test('of two listeners is told of each', async () => {
    const world = new World();
    const options = tlsOptions(world.serve({ notBefore, notAfter: fromNow(20) }));
    for (const listener of ['wss://a', 'wss://b']) await world.material(options, listener).start();
    const lines = world.lines.filter(([level]) => level === 'warn');
    expect(lines).toMatchObject([['warn', expect.anything(), { listener: 'wss://b' }]]);
  });

  test('of one that lives a week is an alarm in the last quarter of its life', async () => {
    const { world } = await started({}, { notBefore: fromNow(-1), notAfter: fromNow(6) });
    world.clock.advance(4 * DAY_MS);
    expect(world.alarms.active).toEqual([]);
    world.clock.advance(0.5 * DAY_MS);
    expect(world.alarm('certificate_expires')?.message).toMatch(/in 3[56] hours: renew it$/);
  });

  test('of an intermediate, and of a certificate for another name, counts as well', async () => {
    const world = new World();
    const short = root.intermediate({ commonName: 'Short', notAfter: fromNow(10), notBefore });
    const files = world.folder.pair('server', short.server(), short.issued.cert);
    const other = world.serve({ dns: ['other'], notAfter: fromNow(9), notBefore }, 'other');
    const material = world.material(tlsOptions(files, { sni: [{ ...other, hosts: ['other'] }] }));
    await material.start();
    expect(material.certificateLeftDays).toBeCloseTo(9, 3);
    expect(world.alarm('certificate_expires')?.message).toContain(other.cert);
    world.serve({ dns: ['other'] }, 'other');
    await material.reload();
    expect(world.alarm('certificate_expires')?.message).toContain('CN=Short');
  });
});

describe('the end of a revocation list', () => {
  test('is an alarm in the last quarter of its life, critical when it is too old', async () => {
    const world = new World();
    const nextUpdate = new Date(Math.floor(fromNow(7).getTime() / 1_000) * 1_000);
    const crl = world.folder.write('lists.crl', root.crl({ thisUpdate: fromNow(-1), nextUpdate }));
    const ca = world.folder.write('ca.crt', root.issued.cert);
    const material = world.material(
      tlsOptions(world.serve(), { ca, crl, clientCertificate: 'optional' }),
    );
    await material.start();
    expect(material.crlLeftDays).toBeCloseTo(7, 3);
    world.clock.advance(4.9 * DAY_MS);
    expect(world.alarms.active).toEqual([]);
    world.clock.advance(0.2 * DAY_MS);
    const until = nextUpdate.toISOString();
    expect(world.alarm('crl_expires')).toMatchObject({
      severity: 'warning',
      message: `the revocation list of CN=Test Root (${crl}) holds until ${until}, in 45 hours: fetch a newer one`,
    });
    world.clock.advance(2 * DAY_MS);
    expect(world.alarm('crl_expires')).toMatchObject({
      severity: 'critical',
      message: `the revocation list of CN=Test Root (${crl}) is over since ${until}: all clients below that authority are refused, fetch a newer one now`,
    });
  });

  test('does not exist without a list, or for one that does not say', async () => {
    const { world, material } = await started();
    expect(material.crlLeftDays).toBeNull();
    const endless = world.material(
      tlsOptions(world.serve(), {
        ca: world.folder.write('ca.crt', root.issued.cert),
        crl: world.folder.write('lists.crl', root.crl({ nextUpdate: null })),
        clientCertificate: 'optional',
      }),
    );
    await endless.start();
    expect(endless.crlLeftDays).toBeNull();
    expect(world.alarms.active).toEqual([]);
  });
});

test('an alarm of several listeners is up while one has reason for it', async () => {
  const world = new World();
  const one = world.material(tlsOptions(world.serve({}, 'one')), 'mqtts://one');
  const two = world.material(tlsOptions(world.serve({}, 'two')), 'wss://two');
  await Promise.all([one.start(), two.start()]);
  world.folder.write('one.key', '');
  world.folder.write('two.key', '');
  await Promise.all([one.reload(), two.reload()]);
  expect(world.alarm('tls_reload_failed')).toMatchObject({
    fields: { listeners: expect.arrayContaining(['mqtts://one', 'wss://two']) },
  });
  expect(world.alarm('tls_reload_failed')?.message).toMatch('(and 1 more of the listeners)');
  world.serve({}, 'one');
  await one.reload();
  expect(world.alarm('tls_reload_failed')?.fields).toMatchObject({ listeners: ['wss://two'] });
  world.serve({}, 'two');
  await two.reload();
  expect(world.alarms.active).toEqual([]);
});
