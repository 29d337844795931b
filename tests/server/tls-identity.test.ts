// Who a client is by its certificate: what the authenticator is asked, and whose session it gets.

import { describe, expect, test } from 'vitest';
import type { Authenticator, ConnectRequest } from '../../src/auth/auth.ts';
import { PacketType, type ProtocolVersion, ReasonCode } from '../../src/protocol/index.ts';
import type { ListenerTlsOptions } from '../../src/transport/listener-options.ts';
import type { IdentityKind } from '../../src/transport/tls/options.ts';
import {
  CA,
  clientOf,
  complaints,
  dialSecure,
  expectServed,
  gone,
  mqtts,
  mutual,
  SecureClient,
  shown,
  startSecure,
} from '../kit/secure-server.ts';
import { until } from '../kit/until.ts';
import { connectPacket } from '../kit/wire.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

/** Lets everybody in under the name that he brings, and writes down what it was asked. */
class Asked implements Authenticator {
  readonly requests: ConnectRequest[] = [];

  authenticate(request: ConnectRequest) {
    this.requests.push(request);
    return { reasonCode: ReasonCode.Success, username: request.username };
  }
}

const DEVICE = CA.client({
  subject: [
    ['C', 'DE'],
    ['O', 'Works'],
    ['CN', 'sensor-1'],
  ],
  dns: ['sensor-1.example.com', 'other.example.com'],
  email: ['sensor@example.com'],
  uri: ['urn:dev:1'],
  ip: ['192.0.2.7'],
});

const NAMES: readonly (readonly [IdentityKind, string])[] = [
  ['cn', 'sensor-1'],
  ['subject', 'CN=sensor-1,O=Works,C=DE'],
  ['san-dns', 'sensor-1.example.com'],
  ['san-email', 'sensor@example.com'],
  ['san-uri', 'urn:dev:1'],
  ['san-ip', '192.0.2.7'],
];

async function serve(
  options: Partial<ListenerTlsOptions>,
  clientCertificate: 'optional' | 'required' = 'required',
) {
  const folder = new MaterialFolder();
  const authenticator = new Asked();
  const listener = mqtts(folder, { ...mutual(folder, clientCertificate), ...options });
  const hub = await startSecure([listener], { authenticator });
  return { ...hub, port: hub.server.addresses[0].port, requests: authenticator.requests };
}

async function connectAs(
  port: number,
  clientId: string,
  username: string | null,
  options = shown(DEVICE),
  version: ProtocolVersion = 5,
): Promise<SecureClient> {
  const client = new SecureClient(dialSecure(port, options), version);
  client.send({
    type: PacketType.Connect,
    protocolVersion: version,
    isBridge: false,
    cleanStart: true,
    keepAlive: 0,
    clientId,
    will: null,
    username,
    password: null,
    properties: {},
  });
  expect(await client.next(PacketType.Connack)).toMatchObject({ reasonCode: 0 });
  return client;
}

describe.each(NAMES)('by %s', (identity, name) => {
  test('as user name: it is what the authenticator is asked about, whatever CONNECT says', async () => {
    const { port, requests } = await serve({ identity });
    await connectAs(port, 'mine', 'admin');
    expect(requests).toMatchObject([
      {
        clientId: 'mine',
        username: name,
        certificate: { subject: 'CN=sensor-1,O=Works,C=DE', username: name, clientId: null },
      },
    ]);
  });

  test.each([3, 4, 5] as const)(
    'as client id: it wins over that of CONNECT (version %i)',
    async (version) => {
      const { port, requests, server } = await serve({ identity, identityAs: 'client-id' });
      await connectAs(port, 'victim', 'somebody', shown(DEVICE), version);
      expect(requests).toMatchObject([{ clientId: name, username: 'somebody' }]);
      expect(server.disconnectClient('victim', ReasonCode.AdministrativeAction)).toBe(false);
      expect(server.disconnectClient(name, ReasonCode.AdministrativeAction)).toBe(true);
    },
  );
});

describe('a client id of the certificate', () => {
  const BY_CN = { identity: 'cn', identityAs: 'client-id' } as const;

  test('keeps others from taking its session over, however they call themselves', async () => {
    const { port, server } = await serve(BY_CN);
    const first = await connectAs(port, 'a', null);
    const other = await connectAs(port, 'sensor-1', null, clientOf({ commonName: 'other' }));
    expect([first.hasEnded, other.hasEnded]).toEqual([false, false]);
    expect(server.stats().sessions).toBe(2);
    const second = await connectAs(port, 'b', null);
    expect(await first.next(PacketType.Disconnect)).toMatchObject({ reasonCode: 0x8e });
    await other.subscribed('served');
    await expectServed(second, other);
  });

  test('is what a client is told that names none', async () => {
    const { port, server } = await serve(BY_CN);
    const client = new SecureClient(dialSecure(port, shown(DEVICE)));
    const connack = await client.connect('');
    expect(connack).toMatchObject({
      reasonCode: 0,
      properties: { assignedClientIdentifier: 'sensor-1' }, // [MQTT-3.2.2-16]
    });
    expect(server.disconnectClient('sensor-1', ReasonCode.AdministrativeAction)).toBe(true);
  });
});

describe('a certificate that has no such name', () => {
  const NAMELESS = clientOf({ subject: [['O', 'Works']] });

  test.each(['username', 'client-id'] as const)(
    'does not let its client say who it is: refused (%s)',
    async (identityAs) => {
      for (const clientCertificate of ['required', 'optional'] as const) {
        const hub = await serve({ identity: 'cn', identityAs }, clientCertificate);
        const { port, server, log, requests } = hub;
        const first = log.lines.length;
        const socket = dialSecure(port, NAMELESS);
        socket.write(connectPacket(5, 'victim', true));
        await gone(socket);
        await until(() => server.stats().connections === 0);
        expect(requests).toEqual([]);
        expect(server.refusals).toEqual({ 'client-certificate': 1 });
        expect(complaints(log, first)).toMatchObject([
          {
            level: 'info',
            message: expect.stringMatching(/has no name that identity = "cn" asks for/),
            fields: { code: 'NO_IDENTITY', subject: 'O=Works' },
          },
        ]);
      }
    },
  );

  test('is nothing where no identity is asked for', async () => {
    const { port, requests } = await serve({});
    await connectAs(port, 'mine', 'me', NAMELESS);
    expect(requests).toMatchObject([
      { clientId: 'mine', username: 'me', certificate: { username: null, clientId: null } },
    ]);
  });
});

describe('where certificates are optional', () => {
  test('who shows none says who he is, who shows one is who it says', async () => {
    const { port, requests } = await serve({ identity: 'san-uri' }, 'optional');
    await connectAs(port, 'a', 'me', {});
    await connectAs(port, 'b', 'me');
    expect(requests).toMatchObject([
      { clientId: 'a', username: 'me', certificate: null },
      { clientId: 'b', username: 'urn:dev:1', certificate: { username: 'urn:dev:1' } },
    ]);
  });
});
