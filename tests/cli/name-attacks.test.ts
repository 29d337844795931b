// Names that are wildcards or topics themselves, under patterns that hold a user name or client id, through a server that runs as
// people run it: nobody reaches by his name what belongs to somebody else.

import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type AckPacket, PacketType, type SubackPacket } from '../../src/protocol/index.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LoginClient } from '../kit/login-client.ts';
import { RunningServer } from './command.ts';

const SECRET = 'a-secret-of-thirty-two-bytes-long';
const CONFIG = `[[listeners]]
url = "mqtt://127.0.0.1:0"
[[authenticators]]
type = "jwt"
issuer = "me"
not_required = ["aud", "exp"]
[[authenticators.keys]]
algorithms = ["HS256"]
secret = "${SECRET}"
`;
const WAYS = {
  'own rules': `
[[rules]]
effect = "allow"
actions = ["publish", "subscribe"]
topics = ["user/%u/#", "client/%c/#", "claim/\${claim.plant}/#", "both/%u/%c"]
`,
  'a file of Mosquitto': `
[[authorizers]]
type = "acl-file"
file = "acl"
`,
};
const ACL = ['user/%u/#', 'client/%c/#', 'both/%u/%c']
  .map((topic) => `pattern readwrite ${topic}\n`)
  .join('');
const CLAIM = `\${claim.plant}`;

/** What would be somebody else's name, or more than a name, where it is put in the place of one. */
const NAMES = ['+', '#', '+/+', '+/#', 'me/../ok', 'ok/', '/ok', '%u', '%c', CLAIM, '$SYS'];
/** Filters in which names are put. */
const WIDER = ['#', '+/#', 'user/#', 'user/+/#', 'user/+/x', 'client/+/#', 'both/+/+', 'both/ok/+'];

function tokenOf(claims: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${encode({ alg: 'HS256' })}.${encode({ iss: 'me', ...claims })}`;
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}

describe.each(Object.entries(WAYS))('under patterns of %s', (way, access) => {
  const theirs = ['user/ok/x', 'client/ok/x', 'both/ok/ok'];
  if (way === 'own rules') theirs.push('claim/ok/x');
  const all = theirs.map(() => true);
  const none = theirs.map(() => false);
  let server: RunningServer;
  let port = 0;

  beforeAll(async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'iothub.toml');
    writeFileSync(path.join(folder, 'acl'), ACL);
    writeFileSync(file, CONFIG + access, { mode: 0o600 });
    server = new RunningServer({ isPlaced: true }, '--config', file);
    port = await server.port();
  }, 60_000);

  afterAll(() => server.kill());

  /** Somebody who is called that as user, client and in a claim. */
  async function enter(name: string): Promise<LoginClient> {
    const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    onTestFinished(() => void socket.destroy());
    const client = LoginClient.on(socket);
    client.show({ clientId: name, password: tokenOf({ sub: name, plant: name }) });
    expect(await client.code()).toBe(0);
    return client;
  }

  /** Which of these he may publish to. */
  async function published(client: LoginClient, topics: readonly string[]): Promise<boolean[]> {
    const codes = [];
    for (const topic of topics) {
      client.publish(topic, 'x', 1);
      const { reasonCode } = (await client.next(PacketType.Puback)) as AckPacket;
      codes.push(reasonCode < 0x80);
    }
    return codes;
  }

  async function subscribed(client: LoginClient, filters: readonly string[]): Promise<boolean[]> {
    client.subscribe(...filters);
    const { reasonCodes } = (await client.next(PacketType.Suback)) as SubackPacket;
    return reasonCodes.map((code) => code < 0x80);
  }

  test('who has a plain name has what is his', async () => {
    const client = await enter('ok');
    expect(await published(client, theirs)).toEqual(all);
    expect(await subscribed(client, theirs)).toEqual(all);
  });

  test.each(NAMES)('who is called %j has nothing of others', async (name) => {
    const client = await enter(name);
    expect(await published(client, theirs)).toEqual(none);
    expect(await subscribed(client, theirs)).toEqual(none);
  });

  test.each(['+', '+/+', '#', '+/#'])(
    'who is called %j gets nothing by filters that he is in',
    async (name) => {
      const [client, owner] = [await enter(name), await enter('ok')];
      await subscribed(client, [...WIDER, `user/${name}`, `client/${name}`]);
      expect(await published(owner, theirs)).toEqual(all);
      client.send({ type: PacketType.Pingreq });
      await client.next(PacketType.Pingresp);
      expect(client.takePublishes()).toEqual([]);
    },
  );
});
