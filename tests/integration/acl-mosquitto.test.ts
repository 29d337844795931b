// The same ACL file in IoTHub and in Debian's mosquitto 2.0.11: the same lines are mistakes, and the same PUBLISH and the same
// deliveries are allowed, for random files. What the two do on purpose in different ways stands in DIFFERENCES, by name, and is
// left out of the comparison, each with a test that it is so. SUBACK is none of it: there Mosquitto grants everything.

import { pbkdf2Sync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AccessError } from '../../src/auth/access-error.ts';
import { AclFileAuthorizer } from '../../src/auth/acl/acl-file.ts';
import { loadAclFile, parseAclFile } from '../../src/auth/acl/acl-lines.ts';
import type { Client } from '../../src/auth/auth.ts';
import {
  Decoder,
  encodePacket,
  type Packet,
  PacketType,
  type PublishPacket,
} from '../../src/protocol/index.ts';
import { ACL_TOPICS, aclLines, USERS } from '../auth/acl/acl-arbitraries.ts';
import { client } from '../auth/acl/clients.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { type Running, run, within } from './hub.ts';

const MOSQUITTO = '/usr/sbin/mosquitto';
const PASSWORD = 'secret';
const NOT_AUTHORIZED = 0x87;
const SEARCH_MS = 25_000;

/** What is different on purpose, and which questions it is about. */
const DIFFERENCES = {
  // Neither may be published by a client of Mosquitto, whatever the file says: that is decided before it is asked. IoTHub goes
  // by the file, which has to name `$SYS`, and refuses `$share` as a topic elsewhere.
  'topics of the server itself': (_: Client, topic: string) => /^\$(?:SYS|share)/.test(topic),
  // In 2.0.11 `pattern %u/#` gives a user called $x the topics below $x. Since 2.1 it does not, and with us only a line that
  // is written with $ is about such topics.
  'a name that begins with $': ({ clientId, username }: Client, topic: string) =>
    topic.startsWith('$') && (clientId.startsWith('$') || username?.startsWith('$') === true),
} as const;
// 2.1 replaces %c and %u only where they fill a level, and never by something empty or with a slash in it. IoTHub goes by
// conventions §5.6 here, as 2.0.11 does: nothing to leave out.

function isCompared(who: Client, topic: string): boolean {
  return !Object.values(DIFFERENCES).some((isAbout) => isAbout(who, topic));
}

/** Who asks. Only the names matter; all may connect. */
const CLIENTS: readonly Client[] = [
  client('bob', '1'),
  client('bob', 'x/1'),
  client(null, '2'),
  client('a/b', '3'),
  client('al ice', 'a/b'),
  client('%c', 'bob'),
  client('nobody', 'a'),
  client('p+q', '4'),
  client('bob', '#'),
];
/** It may publish everything, so that the others may be seen to receive it. */
const ADMIN = client('admin', 'admin');
const ADMIN_LINES = ['user admin', 'topic #', 'topic $x/#', 'topic $SYS/#'];

/** As `mosquitto_passwd` writes them, §5.5. */
function passwordFile(): string {
  const salt = Buffer.alloc(12, 7);
  const hash = pbkdf2Sync(PASSWORD, salt, 101, 64, 'sha512').toString('base64');
  return [...USERS, 'nobody', 'p+q', '$x', 'admin']
    .map((name) => `${name}:$7$101$${salt.toString('base64')}$${hash}\n`)
    .join('');
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Writes the files of a mosquitto with this ACL file; resolves with the arguments to start it. */
async function prepare(aclFile: string) {
  const folder = temporaryFolder();
  const port = await freePort();
  const passwords = path.join(folder, 'passwords');
  writeFileSync(passwords, passwordFile());
  const config = path.join(folder, 'mosquitto.conf');
  const lines = [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    `user ${os.userInfo().username}`, // as root it would become another user, who cannot read the files
    `password_file ${passwords}`,
    `acl_file ${aclFile}`,
    'max_inflight_messages 0',
    'max_queued_messages 100000', // 0 would end every client whose PUBLISH is denied
    'log_dest stderr',
    'log_type error',
    'log_type information',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return { port, args: ['-c', config] };
}

/** A file with these lines; its path. */
function write(lines: readonly string[]): string {
  const file = path.join(temporaryFolder(), 'acl');
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}

/** Runs `use` while a mosquitto with this file serves. */
async function withMosquitto<T>(aclFile: string, use: (port: number) => Promise<T>): Promise<T> {
  const { port, args } = await prepare(aclFile);
  const broker: Running = run(MOSQUITTO, args);
  await broker.prints('running');
  try {
    return await use(port);
  } finally {
    await end(broker);
  }
}

/** Not by SIGTERM, which it forgets if it comes while it starts. */
async function end(broker: Running): Promise<void> {
  broker.kill('SIGKILL');
  await broker.finished;
}

/** A client of MQTT 5 on its own socket; whoever waits for a packet is called when it comes. */
class Probe {
  readonly #socket: net.Socket;
  readonly #decoder = new Decoder({ role: 'client', protocolVersion: 5 });
  #packets: Packet[] = [];
  #look: () => void = () => {};

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#packets.push(...this.#decoder.push(chunk));
      this.#look();
    });
    socket.on('error', () => {});
  }

  static async connect(port: number, { clientId, username }: Client): Promise<Probe> {
    const probe = new Probe(net.connect({ host: '127.0.0.1', port, noDelay: true }));
    probe.#send({
      ...{ type: PacketType.Connect, protocolVersion: 5, isBridge: false, cleanStart: true },
      ...{ keepAlive: 0, clientId, will: null, username, properties: {} },
      password: username === null ? null : Buffer.from(PASSWORD),
    });
    const [connack] = await probe.#next(PacketType.Connack, 1);
    expect(connack).toMatchObject({ reasonCode: 0 });
    return probe;
  }

  /** Publishes to each topic; resolves with the topics that were not refused. */
  async publish(topics: readonly string[]): Promise<Set<string>> {
    for (const [i, topicName] of topics.entries()) {
      const flags = { dup: false, qos: 1, retain: false, packetId: i + 1, properties: {} } as const;
      this.#send({ type: PacketType.Publish, topicName, payload: Buffer.alloc(0), ...flags });
    }
    const acks = await this.#next(PacketType.Puback, topics.length);
    const taken = new Set<string>();
    for (const ack of acks) {
      if (ack.type !== PacketType.Puback) continue;
      expect([0x00, 0x10, NOT_AUTHORIZED]).toContain(ack.reasonCode);
      if (ack.reasonCode !== NOT_AUTHORIZED) taken.add(topics[ack.packetId - 1]);
    }
    return taken;
  }

  async subscribe(...filters: readonly string[]): Promise<void> {
    const options = {
      qos: 0,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    const subscriptions = filters.map((topicFilter) => ({ topicFilter, ...options }));
    this.#send({ type: PacketType.Subscribe, packetId: 1, subscriptions, properties: {} });
    await this.#next(PacketType.Suback, 1);
  }

  /** The topics of all that was sent to it before: PINGRESP comes behind. */
  async received(): Promise<Set<string>> {
    this.#send({ type: PacketType.Pingreq });
    await this.#next(PacketType.Pingresp, 1);
    const isPublish = (packet: Packet): packet is PublishPacket =>
      packet.type === PacketType.Publish;
    return new Set(this.#packets.filter(isPublish).map(({ topicName }) => topicName));
  }

  end(): void {
    this.#socket.destroy();
  }

  #send(packet: Packet): void {
    const bytes = encodePacket(packet, 5);
    if (bytes !== null) this.#socket.write(bytes);
  }

  /** So many packets of that type, when they have come. */
  async #next(type: PacketType, count: number): Promise<Packet[]> {
    const isIt = (packet: Packet) => packet.type === type;
    await within(
      new Promise<void>((resolve) => {
        this.#look = () => {
          if (this.#packets.filter(isIt).length >= count) resolve();
        };
        this.#look();
      }),
      () => `${count} packets of type ${type}; there are ${JSON.stringify(this.#packets)}`,
    );
    const found = this.#packets.filter(isIt);
    this.#packets = this.#packets.filter((packet) => !isIt(packet));
    return found;
  }
}

/** What this mosquitto lets a client publish and receive. */
async function askMosquitto(port: number, clients: readonly Client[], topics: readonly string[]) {
  const probes = await Promise.all(clients.map((one) => Probe.connect(port, one)));
  const admin = await Probe.connect(port, ADMIN);
  try {
    const published = await Promise.all(probes.map((probe) => probe.publish(topics)));
    for (const probe of probes) await probe.subscribe('#', '$x/#');
    const all = await admin.publish(topics);
    expect(topics.filter((topic) => !all.has(topic))).toEqual([]);
    const received = await Promise.all(probes.map((probe) => probe.received()));
    return clients.map((_, i) => ({ published: published[i], received: received[i] }));
  } finally {
    for (const probe of [...probes, admin]) probe.end();
  }
}

/** The same from IoTHub. */
function askIoTHub(from: AclFileAuthorizer, who: Client, topics: readonly string[]) {
  return {
    published: new Set(topics.filter((one) => from.authorizePublish(who, one, 1, false) === 0)),
    received: new Set(topics.filter((one) => from.authorizeReceive(who, one) === 0)),
  };
}

const sorted = (topics: ReadonlySet<string>) => [...topics].sort();

test('random files: the same PUBLISH and the same deliveries are allowed', {
  timeout: 55_000,
}, async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(aclLines, async (lines) => {
      const file = write([...lines, ...ADMIN_LINES]);
      const from = new AclFileAuthorizer({ name: 'acl', acl: await loadAclFile(file) });
      const answers = await withMosquitto(file, (port) => askMosquitto(port, CLIENTS, ACL_TOPICS));
      for (const [i, who] of CLIENTS.entries()) {
        const topics = ACL_TOPICS.filter((topic) => isCompared(who, topic));
        const mine = askIoTHub(from, who, topics);
        const only = (theirs: ReadonlySet<string>) =>
          sorted(new Set(topics.filter((one) => theirs.has(one))));
        const name = `${who.username}, ${who.clientId}`;
        expect([name, 'publish', sorted(mine.published)]).toEqual([
          name,
          'publish',
          only(answers[i].published),
        ]);
        expect([name, 'receive', sorted(mine.received)]).toEqual([
          name,
          'receive',
          only(answers[i].received),
        ]);
      }
      compared++;
    }),
    { numRuns: 40, interruptAfterTimeLimit: SEARCH_MS },
  );
  expect(compared).toBeGreaterThan(0);
});

const LINES = [
  ...['', '#', '#x', ' ', 'topic a', 'topic read a', 'topic deny #', 'topic readwrite +/a/#'],
  ...['topic read my topic', 'topic read', 'topic deny', '  topic a', 'topic  a', 'topic read a\r'],
  ...[
    'topic a\tb',
    'topic read \ta',
    'user bob',
    'user a b',
    'user  bob ',
    'pattern %c/%u',
    'pattern a',
  ],
  ...[
    'topic $share/g/a',
    'topic $share',
    'topic $share/+/#',
    'topic $share/#/a',
    `topic ${'a/'.repeat(200)}`,
    'topic größe',
    'topic read a\u00a0',
  ],
  ...[' # a', 'topic', 'pattern ', 'user', 'topic my topic', 'topic\ta', '\ttopic a', 'Topic a'],
  ...[
    'topic a#',
    'topic a/#/b',
    'topic +a',
    'topic a+',
    'pattern a/+%c',
    'topic read a#',
    'allow a',
  ],
  ...['\ufefftopic a', `topic ${'a/'.repeat(201)}`, 'topic write # a'],
];

test('the same lines are mistakes', { timeout: 60_000 }, async () => {
  const accepted: string[] = [];
  const expected: string[] = [];
  for (const line of LINES) {
    const content = [line, ...ADMIN_LINES];
    try {
      parseAclFile('acl', Buffer.from(content.join('\n')));
      expected.push(line);
    } catch (error) {
      if (!(error instanceof AccessError)) throw error;
    }
    const { args } = await prepare(write(content));
    const broker = run(MOSQUITTO, args);
    const isServing = await Promise.race([
      broker.prints('running').then(() => true),
      broker.finished.then(() => false),
    ]).catch(() => false);
    if (isServing) {
      accepted.push(line);
      await end(broker);
    }
  }
  expect(expected).toEqual(accepted);
  expect(accepted.length).toBeGreaterThan(20);
});

test('what is left out is different indeed', async () => {
  const named = client('$x', 'x');
  const file = write(['topic #', 'topic $SYS/#', 'pattern %u/#', ...ADMIN_LINES]);
  const from = new AclFileAuthorizer({ name: 'acl', acl: await loadAclFile(file) });
  const [reserved, own] = await withMosquitto(file, async (port) => {
    const probe = await Probe.connect(port, ADMIN);
    const published = await probe.publish(['$SYS/a']);
    probe.end();
    return [published, (await askMosquitto(port, [named], ['$x/a']))[0].published];
  });
  expect(sorted(reserved)).toEqual([]);
  expect(from.authorizePublish(ADMIN, '$SYS/a', 1, false)).toBe(0);
  expect(sorted(own)).toEqual(['$x/a']);
  expect(from.authorizePublish(named, '$x/a', 1, false)).not.toBe(0);
  expect(isCompared(named, '$x/a') || isCompared(ADMIN, '$SYS/a')).toBe(false);
});
