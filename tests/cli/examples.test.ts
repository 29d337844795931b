// The example of a program with a server in it runs, and does what its README says. Those of a store, an authenticator and an
// authorizer are held to their contracts in tests/contracts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { SignJWT } from 'jose';
import { expect, onTestFinished, test } from 'vitest';
import { PacketType, type PublishPacket, type SubackPacket } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { type ConnectOptions, PacketClient } from '../kit/packet-client.ts';
import { ScramClient } from '../kit/scram-client.ts';
import { ROOT } from './command.ts';

const EXAMPLE = path.join(ROOT, 'examples/embedded/index.mjs');
const SECRET = 'a-secret-of-thirty-two-bytes-long';

/** The parts of the example that are used here, and of what it returns. */
interface Example {
  startHub(settings: { folder: string; port: number; secret: string }): Promise<{
    readonly server: { readonly addresses: readonly { readonly port: number }[] };
    readonly users: {
      add(name: string, password: Uint8Array, options: { groups: string[] }): Promise<unknown>;
      disable(name: string): Promise<unknown>;
    };
    stop(): Promise<void>;
  }>;
}

/** The example in this process, on the built server, with a device in it. */
async function startHub() {
  const example: Example = await import(EXAMPLE);
  const folder = path.join(temporaryFolder(), 'data');
  const hub = await example.startHub({ folder, port: 0, secret: SECRET });
  onTestFinished(() => hub.stop());
  await hub.users.add('dev-7', Buffer.from('opensesame'), { groups: ['devices'] });
  return { ...hub, port: hub.server.addresses[0].port };
}

/** The answer to a CONNECT, and the client. */
async function connect(port: number, clientId: string, options: ConnectOptions = {}) {
  const client = PacketClient.tcp(port);
  onTestFinished(() => client.destroy());
  const { reasonCode } = await client.connect(clientId, options);
  return { client, reasonCode };
}

async function publishes(client: PacketClient, topic: string): Promise<number> {
  client.publish(topic, 'x', 1);
  const puback = await client.next(PacketType.Puback);
  return 'reasonCode' in puback ? puback.reasonCode : -1;
}

async function subscribes(client: PacketClient, topicFilter: string): Promise<number> {
  client.subscribe({ topicFilter, qos: 1 });
  return ((await client.next(PacketType.Suback)) as SubackPacket).reasonCodes[0];
}

const token = (claims: Record<string, unknown>): Promise<string> =>
  new SignJWT({ iss: 'services', aud: 'mqtt', sub: 'billing', groups: ['operators'], ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(Buffer.from(SECRET));

test('the embedded server: its program says who may come in, and ends when it is told to', async () => {
  const folder = path.join(temporaryFolder(), 'data');
  const child = spawn(process.execPath, [EXAMPLE, folder, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, SECRET },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const password = /^the user admin has the password (\S+)$/.exec((await lines.next()).value)?.[1];
  const port = Number(/:(\d+)$/.exec((await lines.next()).value)?.[1]);
  const good = await connect(port, 'any', { username: 'admin', password });
  expect(good.reasonCode).toBe(0);
  expect(await subscribes(good.client, '$SYS/#')).toBe(1);
  const bad = await connect(port, 'other', { username: 'admin', password: 'guessed' });
  expect(bad.reasonCode).toBe(0x86);
  expect((await connect(port, 'nobody')).reasonCode).toBe(0x87);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('the embedded server: a device has its own client id and topics', async () => {
  const { port } = await startHub();
  const shown = { username: 'dev-7', password: 'opensesame' };
  expect((await connect(port, 'dev-8', shown)).reasonCode).toBe(0x87);
  expect((await connect(port, 'dev-7', { ...shown, password: 'sesame' })).reasonCode).toBe(0x86);
  const { client, reasonCode } = await connect(port, 'dev-7', shown);
  expect(reasonCode).toBe(0);
  expect(await publishes(client, 'devices/dev-7/temperature')).toBeLessThan(0x80);
  expect(await publishes(client, 'devices/dev-8/temperature')).toBe(0x87);
  expect(await subscribes(client, 'commands/dev-7/#')).toBe(1);
  expect(await subscribes(client, 'devices/#')).toBe(0x87);
  const service = await connect(port, 'billing', { password: await token({}) });
  expect(service.reasonCode).toBe(0);
  expect(await publishes(service.client, 'commands/dev-7/restart')).toBe(0);
  expect((await client.next(PacketType.Publish)) as PublishPacket).toMatchObject({
    topicName: 'commands/dev-7/restart',
  });
});

test('the embedded server: tokens of others, and without a group, do not get far', async () => {
  const { port } = await startHub();
  const foreign = await connect(port, 's', { password: await token({ iss: 'others' }) });
  expect(foreign.reasonCode).toBe(0x87);
  const groupless = await connect(port, 's', { password: await token({ groups: [] }) });
  expect(groupless.reasonCode).toBe(0x87); // no rule about connect is about it
});

test('the embedded server: SCRAM lets a user in, and one who is disabled is ended', async () => {
  const { port, users } = await startHub();
  const scram = new ScramClient('dev-7', 'opensesame');
  const client = PacketClient.tcp(port);
  onTestFinished(() => client.destroy());
  client.sendConnect('dev-7', {
    properties: {
      authenticationMethod: 'SCRAM-SHA-256',
      authenticationData: Buffer.from(scram.first),
    },
  });
  const challenge = await client.next(PacketType.Auth);
  const { authenticationData = new Uint8Array() } =
    'properties' in challenge ? challenge.properties : {};
  client.send({
    type: PacketType.Auth,
    reasonCode: 0x18,
    properties: {
      authenticationMethod: 'SCRAM-SHA-256',
      authenticationData: Buffer.from(scram.final(Buffer.from(authenticationData).toString())),
    },
  });
  expect(await client.next(PacketType.Connack)).toMatchObject({ reasonCode: 0 });
  await users.disable('dev-7');
  expect(await client.next(PacketType.Disconnect)).toMatchObject({ reasonCode: 0x87 });
});
