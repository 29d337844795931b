// Certificates and revocation lists that change under load: nobody who may stay notices, whoever comes sees the new ones.

import { once } from 'node:events';
import type tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { type DisconnectPacket, PacketType } from '../../src/protocol/index.ts';
import type { ListenerTlsOptions } from '../../src/transport/listener-options.ts';
import { Load, LoadClient } from '../kit/load.ts';
import {
  CA,
  complaints,
  dialSecure,
  expectServed,
  gone,
  mqtts,
  SERVER,
  SecureClient,
  type SecureServer,
  shown,
  startSecure,
} from '../kit/secure-server.ts';
import { type Files, KubernetesVolume, RenamedFiles } from '../kit/swapped-folder.ts';
import { turns, until } from '../kit/until.ts';
import { fromNow, type Issued } from '../support/certificates.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

const CLIENTS = 50;

function named(commonName: string): Issued {
  return CA.server({ commonName, dns: ['localhost'], ip: ['127.0.0.1'] });
}

function filesOf({ cert, key }: Issued): Files {
  return { 'tls.crt': cert, 'tls.key': key };
}

/** The common name of the server's certificate, as a new client sees it. */
async function shownBy({ server }: SecureServer): Promise<unknown> {
  const socket = dialSecure(server.addresses[0].port);
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return CN;
}

/** Lets time pass until the watcher has looked at the files; how long it takes is up to the system. */
async function noticed({ clock }: SecureServer, isSo: () => boolean): Promise<void> {
  await until(() => {
    clock.advance(5);
    return isSo();
  });
}

describe.each([
  ['replaced by renames', RenamedFiles],
  ['in a volume of Kubernetes', KubernetesVolume],
] as const)('certificates that are %s, under load', (_, Folder) => {
  async function loaded() {
    const folder = new Folder();
    folder.swap(filesOf(named('first')));
    const tlsFiles = { cert: folder.path('tls.crt'), key: folder.path('tls.key') };
    const options = { protocol: 'mqtts', host: '127.0.0.1', port: 0, tls: tlsFiles } as const;
    const hub = await startSecure([options]);
    const { port } = hub.server.addresses[0];
    const load = await Load.begin(CLIENTS, () => new LoadClient(dialSecure(port)));
    return { folder, hub, load };
  }

  test('are swapped by a reload, and nobody notices', async () => {
    const { folder, hub, load } = await loaded();
    expect(await shownBy(hub)).toBe('first');
    for (const name of ['second', 'third']) {
      folder.swap(filesOf(named(name)));
      await hub.server.reloadCertificates();
      expect(await shownBy(hub)).toBe(name);
      await load.goesOn();
    }
    await load.end();
  });

  test('are swapped by the watcher, and nobody notices', async () => {
    const { folder, hub, load } = await loaded();
    for (const name of ['second', 'third']) {
      const first = hub.log.lines.length;
      folder.swap(filesOf(named(name)));
      await noticed(hub, () => hasReloaded(hub, first));
      expect(await shownBy(hub)).toBe(name);
      await load.goesOn();
    }
    await load.end();
  });

  test('stay as they were when the new ones are broken, with an alarm until good ones come', async () => {
    const { folder, hub, load } = await loaded();
    const { alarms } = hub.server;
    const broken = [
      filesOf({ ...named('second'), key: named('third').key } as Issued),
      { 'tls.crt': '-----BEGIN CERTIFICATE-----\nnone\n', 'tls.key': '' },
    ];
    for (const [i, files] of broken.entries()) {
      const first = hub.log.lines.length;
      folder.swap(files);
      if (i === 0) await noticed(hub, () => alarms.isRaised('tls_reload_failed'));
      else await hub.server.reloadCertificates();
      expect(alarms.active).toMatchObject([{ name: 'tls_reload_failed', severity: 'warning' }]);
      expect(complaints(hub.log, first)[0]).toMatchObject({
        level: 'error',
        message: 'the new TLS files cannot be used, the former ones stay',
      });
      expect(await shownBy(hub)).toBe('first');
      await load.goesOn();
    }
    const first = hub.log.lines.length;
    folder.swap(filesOf(named('fourth')));
    await noticed(hub, () => hasReloaded(hub, first));
    expect(alarms.active).toEqual([]);
    expect(await shownBy(hub)).toBe('fourth');
    await load.end();
  });
});

function hasReloaded({ log }: SecureServer, from: number): boolean {
  return log.lines.slice(from).some(({ message }) => message === 'TLS certificate reloaded');
}

const KNOWN = CA.client({ commonName: 'known' });
const STOLEN = CA.client({ commonName: 'stolen' });

/** A listener that requires certificates and has a revocation list. */
class Fleet {
  readonly hub: SecureServer;
  readonly #folder: RenamedFiles;

  private constructor(hub: SecureServer, folder: RenamedFiles) {
    this.hub = hub;
    this.#folder = folder;
  }

  static async start(changes: Partial<ListenerTlsOptions> = {}): Promise<Fleet> {
    const folder = new RenamedFiles();
    folder.swap({ 'ca.crl': CA.crl(), 'ca.crt': CA.issued.cert, ...filesOf(SERVER) });
    const tlsOptions = {
      cert: folder.path('tls.crt'),
      key: folder.path('tls.key'),
      ca: folder.path('ca.crt'),
      crl: folder.path('ca.crl'),
      clientCertificate: 'required',
      ...changes,
    } as const;
    const options = { protocol: 'mqtts', host: '127.0.0.1', port: 0, tls: tlsOptions } as const;
    return new Fleet(await startSecure([options]), folder);
  }

  dial(issued: Issued, options: tls.ConnectionOptions = {}): tls.TLSSocket {
    return dialSecure(this.hub.server.addresses[0].port, { ...shown(issued), ...options });
  }

  connect(issued: Issued, clientId: string): Promise<SecureClient> {
    return SecureClient.on(this.dial(issued), clientId);
  }

  /** A list that is newer than the one before. */
  async revoke(...revoked: Issued[]): Promise<void> {
    this.#folder.swap({ 'ca.crl': CA.crl({ revoked, number: ++this.#lists }) });
    await this.hub.server.reloadCertificates();
  }
  #lists = 1;
}

async function expectEnded(client: SecureClient, reason: RegExp): Promise<void> {
  const packet = (await client.next(PacketType.Disconnect)) as DisconnectPacket;
  expect(packet.reasonCode).toBe(0x87);
  expect(packet.properties.reasonString).toMatch(reason);
  await until(() => client.isClosed);
}

describe('a certificate that is revoked while its client is connected', () => {
  test('ends the client with 0x87, by a line in the log; the others go on', async () => {
    const fleet = await Fleet.start();
    const { server, log } = fleet.hub;
    const publisher = await fleet.connect(KNOWN, 'publisher');
    const subscriber = await (await fleet.connect(KNOWN, 'subscriber')).subscribed('served');
    const stolen = await fleet.connect(STOLEN, 'stolen-5');
    const stolenV3 = new SecureClient(fleet.dial(STOLEN), 4);
    await stolenV3.connect('stolen-4');
    const first = log.lines.length;
    await fleet.revoke(STOLEN);
    await expectEnded(stolen, /revoked/);
    await until(() => stolenV3.isClosed);
    expect(stolenV3.packets).toEqual([]);
    expect(log.lines.slice(first).filter(({ message }) => /is ended/.test(message))).toMatchObject([
      { level: 'info', fields: { clientId: 'stolen-5', subject: 'CN=stolen' } },
      { level: 'info', fields: { clientId: 'stolen-4', subject: 'CN=stolen' } },
    ]);
    await expectServed(publisher, subscriber);
    await until(() => server.stats().connections === 2);
  });

  test('ends also those whose CONNECT is not in yet', async () => {
    const fleet = await Fleet.start();
    const { server } = fleet.hub;
    const early = fleet.dial(STOLEN);
    await once(early, 'session'); // the server has finished its handshake
    await until(() => server.stats().halfConnected === 1);
    await turns(8);
    await fleet.revoke(STOLEN);
    await gone(early);
    await until(() => server.stats().connections === 0);
    expect(server.stats().sessions).toBe(0);
  });

  test.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'does not come in again, nor by the session that it has (%s)',
    async (version) => {
      const fleet = await Fleet.start();
      const { server } = fleet.hub;
      const ticketOf = async (issued: Issued): Promise<Buffer> => {
        const socket = fleet.dial(issued, { maxVersion: version });
        const [ticket] = (await once(socket, 'session')) as [Buffer];
        return ticket;
      };
      const ticket = await ticketOf(STOLEN);
      const otherTicket = await ticketOf(KNOWN);
      const resumed = fleet.dial(STOLEN, { session: ticket, maxVersion: version });
      await SecureClient.on(resumed, 'resumed');
      expect(resumed.isSessionReused()).toBe(true);
      await fleet.revoke(STOLEN);
      await gone(resumed);
      for (const session of [ticket, undefined]) {
        const socket = fleet.dial(STOLEN, { session, maxVersion: version });
        socket.on('secureConnect', () => expect(socket.isSessionReused()).toBe(false));
        await gone(socket);
      }
      expect(server.refusals).toEqual({ 'client-certificate': 2 });
      const again = fleet.dial(KNOWN, { session: otherTicket, maxVersion: version });
      await SecureClient.on(again, 'again');
      expect(again.isSessionReused()).toBe(false);
    },
  );

  test('stays with ends_revoked = false, and does not come in again', async () => {
    const fleet = await Fleet.start({ endsRevoked: false });
    const { server, clock } = fleet.hub;
    const publisher = await fleet.connect(STOLEN, 'publisher');
    const subscriber = await (await fleet.connect(KNOWN, 'subscriber')).subscribed('served');
    await fleet.revoke(STOLEN);
    clock.advance(120_000);
    await expectServed(publisher, subscriber);
    await gone(fleet.dial(STOLEN));
    expect(server.refusals).toEqual({ 'client-certificate': 1 });
  });

  test('ends the client, too, when the list comes by a change of the listener', async () => {
    const folder = new MaterialFolder();
    const ca = folder.write('ca.crt', CA.issued.cert);
    const before = mqtts(folder, { clientCertificate: 'required', ca });
    const { server } = await startSecure([before]);
    const { port } = server.addresses[0];
    const publisher = await SecureClient.over(port, 'publisher', shown(KNOWN));
    const subscriber = await SecureClient.over(port, 'subscriber', shown(KNOWN));
    await subscriber.subscribed('served');
    const stolen = await SecureClient.over(port, 'stolen', shown(STOLEN));
    const crl = folder.write('ca.crl', CA.crl({ revoked: [STOLEN] }));
    await server.setListeners([mqtts(folder, { clientCertificate: 'required', ca, crl })]);
    await expectEnded(stolen, /revoked/);
    await expectServed(publisher, subscriber);
  });
});

describe('a certificate that expires while its client is connected', () => {
  const SHORT = CA.client({ commonName: 'short', notAfter: fromNow(600 / 86_400) });

  test('ends the client with 0x87 within a minute; the others go on', async () => {
    const fleet = await Fleet.start();
    const { server, clock } = fleet.hub;
    const publisher = await fleet.connect(KNOWN, 'publisher');
    const subscriber = await (await fleet.connect(KNOWN, 'subscriber')).subscribed('served');
    const short = await fleet.connect(SHORT, 'short');
    clock.advance(500_000);
    await turns(24);
    expect(short.hasEnded).toBe(false);
    clock.advance(160_000);
    await expectEnded(short, /expired/);
    await expectServed(publisher, subscriber);
    await until(() => server.stats().connections === 2);
  });

  test('stays with ends_revoked = false', async () => {
    const fleet = await Fleet.start({ endsRevoked: false });
    const publisher = await fleet.connect(SHORT, 'publisher');
    const subscriber = await (await fleet.connect(KNOWN, 'subscriber')).subscribed('served');
    fleet.hub.clock.advance(900_000);
    await expectServed(publisher, subscriber);
  });
});
