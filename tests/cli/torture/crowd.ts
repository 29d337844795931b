// Clients that connect, publish and subscribe all the time, and know what has to come of it whatever is in force: nobody is let in
// who must not be, nothing is allowed that no version allows, nothing is refused that all of them allow.

import net from 'node:net';
import {
  type AckPacket,
  type ConnackPacket,
  type Packet,
  PacketType,
  type SubackPacket,
} from '../../../src/protocol/index.ts';
import { SocketStream } from '../../../src/transport/socket-stream.ts';
import { PacketClient } from '../../kit/packet-client.ts';
import { markOf, PARTS, PASSWORD, type Part } from './rule-sets.ts';

/** Below 0x80 it was allowed. */
const REFUSED = 0x80;
const NOT_AUTHORIZED = 0x87;
const WRONG = 0x86;

/** The versions that may be in force: one, or two while one takes the place of the other. */
export type Versions = Readonly<Record<Part, readonly string[]>>;

class Asker extends PacketClient {
  onPublish: (topicName: string, payload: string) => void = () => {};
  #waiting: { readonly type: number; readonly resolve: (packet: Packet | null) => void } | null =
    null;

  /** Waits for the answer to what was sent; null: the server ended it instead. */
  answer(type: number): Promise<Packet | null> {
    return new Promise((resolve) => {
      this.#waiting = { type, resolve };
      this.#look();
    });
  }

  async enter(clientId: string, username: string | null, password: string | null) {
    this.send({
      type: PacketType.Connect,
      protocolVersion: 5,
      isBridge: false,
      cleanStart: true,
      keepAlive: 0,
      clientId,
      will: null,
      username,
      password: password === null ? null : Buffer.from(password),
      properties: {},
    });
    return ((await this.answer(PacketType.Connack)) as ConnackPacket | null)?.reasonCode;
  }

  /** The reason code of PUBACK. */
  async publishes(topic: string, payload = ''): Promise<number | undefined> {
    this.publish(topic, payload, 1);
    return ((await this.answer(PacketType.Puback)) as AckPacket | null)?.reasonCode;
  }

  async subscribes(topicFilter: string): Promise<number | undefined> {
    this.subscribe({ topicFilter, qos: 1 });
    return ((await this.answer(PacketType.Suback)) as SubackPacket | null)?.reasonCodes[0];
  }

  override onData(chunk: Uint8Array, length: number): void {
    super.onData(chunk, length);
    for (const packet of this.take()) {
      if (packet.type !== PacketType.Publish) this.packets.push(packet);
      else {
        this.onPublish(packet.topicName, Buffer.from(packet.payload).toString());
        if (packet.qos === 1) this.acknowledge(PacketType.Puback, packet.packetId);
      }
    }
    this.#look();
  }

  override onClose(): void {
    super.onClose();
    this.#waiting?.resolve(null);
    this.#waiting = null;
  }

  #look(): void {
    const waiting = this.#waiting;
    if (waiting === null) return;
    const at = this.packets.findIndex(({ type }) => type === waiting.type);
    if (at < 0 && !this.isClosed) return;
    this.#waiting = null;
    waiting.resolve(at < 0 ? null : this.packets.splice(at, 1)[0]);
  }
}

export class Crowd {
  readonly #port: number;
  readonly #random: () => number;
  /** What was decided otherwise than it may be, a sentence each. */
  readonly violations: string[] = [];
  /** Questions that were answered. */
  decisions = 0;
  /** What may be in force. */
  versions: Versions;
  /** Those that were, or would be, if something that must not were. */
  readonly #seen: Record<Part, string[]> = { passwords: [], acl: [], config: [] };
  #isOver = false;
  readonly #loops: Promise<void>[] = [];

  constructor(port: number, versions: Versions, random: () => number) {
    this.#port = port;
    this.#random = random;
    this.versions = versions;
    this.#loops.push(
      this.#publishes('narrow', (client) => this.#asNarrow(client)),
      this.#publishes('wide', (client) => this.#asWide(client)),
      this.#publishes('ruled', (client) => this.#asRuled(client)),
      this.#publishes('source', (client) => this.#asSource(client)),
      this.#listens(),
      this.#subscribes(),
      this.#connects(),
      this.#connectsInVain(),
    );
  }

  /** Another version that a file has, or had. */
  knows(part: Part, version: string): void {
    this.#seen[part].push(version);
  }

  /** Resolves when so many more questions were answered. */
  async decides(more: number): Promise<void> {
    const wanted = this.decisions + more;
    while (this.decisions < wanted && !this.#isOver) await breath();
  }

  /** Whether the server goes by that version. */
  async isInForce(part: Part, version: string): Promise<boolean> {
    const client = new Asker(this.#stream());
    const username = { passwords: markOf(part, version), acl: 'narrow', config: 'ruled' }[part];
    const entered = await client.enter(`asks-${part}`, username, PASSWORD);
    const code = part === 'passwords' ? entered : await client.publishes(markOf(part, version));
    client.destroy();
    return code !== undefined && code < REFUSED;
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#loops);
  }

  #stream(): SocketStream {
    const socket = net.connect({ host: '127.0.0.1', port: this.#port, noDelay: true });
    socket.on('error', () => {});
    return new SocketStream(socket, 'crowd');
  }

  #expect(what: string, code: number | undefined, isRight: (code: number) => boolean): void {
    this.decisions++;
    if (this.#isOver || (code !== undefined && isRight(code))) return;
    this.violations.push(`${what}: ${code === undefined ? 'the end' : `0x${code.toString(16)}`}`);
  }

  #allowed(what: string, code: number | undefined): void {
    this.#expect(`${what} must be allowed`, code, (one) => one < REFUSED);
  }

  #refused(what: string, code: number | undefined, wanted = NOT_AUTHORIZED): void {
    this.#expect(`${what} must be refused`, code, (one) => one === wanted);
  }

  /** One who is connected all the time, and asks again and again. */
  async #publishes(username: string, ask: (client: Asker) => Promise<void>): Promise<void> {
    const client = new Asker(this.#stream());
    this.#allowed(`${username} connects`, await client.enter(username, username, PASSWORD));
    while (!this.#isOver && !client.isClosed) {
      await ask(client);
      await breath();
    }
    if (!this.#isOver) this.violations.push(`${username} was disconnected`);
    client.destroy();
  }

  async #asNarrow(client: Asker): Promise<void> {
    this.#allowed('narrow: always', await client.publishes('always/x'));
    this.#allowed('narrow: the last line', await client.publishes('last/x'));
    this.#refused('narrow: elsewhere', await client.publishes('elsewhere'));
    await this.#asksForMark('acl', (mark) => client.publishes(mark));
  }

  async #asWide(client: Asker): Promise<void> {
    this.#allowed('wide: anything', await client.publishes('anything/x'));
    this.#refused('wide: what the last line denies', await client.publishes('secret/x'));
  }

  async #asRuled(client: Asker): Promise<void> {
    this.#allowed('ruled: the last rule', await client.publishes('last/x'));
    this.#refused('ruled: elsewhere', await client.publishes('elsewhere'));
    await this.#asksForMark('config', (mark) => client.publishes(mark));
  }

  async #asSource(client: Asker): Promise<void> {
    this.#allowed('source: its secret', await client.publishes('secret/x'));
  }

  /** What only one version allows is allowed exactly while it is in force. */
  async #asksForMark(
    part: Part,
    ask: (mark: string) => Promise<number | undefined>,
    no = NOT_AUTHORIZED,
  ): Promise<void> {
    const seen = this.#seen[part];
    const version = seen[Math.floor(this.#random() * seen.length)] ?? this.versions[part][0];
    const before = this.versions;
    const code = await ask(markOf(part, version));
    const after = this.versions;
    const what = `${part} of version ${version}`;
    const mayBe = [before, after].some((versions) => versions[part].includes(version));
    const isOnly = [before, after].every((versions) => `${versions[part]}` === version);
    if (!mayBe) this.#refused(what, code, no);
    else if (isOnly) this.#allowed(what, code);
    else this.#expect(what, code, (one) => one < REFUSED || one === no);
  }

  /** One who may hear all but the secret does, and another one hears what it always may. */
  async #listens(): Promise<void> {
    const wide = new Asker(this.#stream());
    let heard = 0;
    wide.onPublish = (topicName) => {
      heard++;
      if (!topicName.startsWith('secret/')) return;
      this.violations.push(`wide got ${topicName}, which the last line denies`);
    };
    this.#allowed('wide connects to listen', await wide.enter('listener', 'wide', PASSWORD));
    this.#allowed('wide: #', await wide.subscribes('#'));
    const narrow = new Asker(this.#stream());
    this.#allowed('narrow connects to listen', await narrow.enter('hears', 'narrow', PASSWORD));
    this.#allowed('narrow: always', await narrow.subscribes('always/numbers'));
    const numbers: string[] = [];
    narrow.onPublish = (_, payload) => void numbers.push(payload);
    for (let n = 1; !this.#isOver && !wide.isClosed && !narrow.isClosed; n++) {
      this.#allowed('narrow: a number', await narrow.publishes('always/numbers', `${n}`));
      while (numbers.length < n && !this.#isOver && !narrow.isClosed) await breath();
      if (numbers.at(-1) !== `${n}` && !this.#isOver) this.violations.push(`${n} did not come`);
      await breath();
    }
    if (heard === 0) this.violations.push('wide got nothing at all');
    if (!this.#isOver) this.violations.push('a listener was disconnected');
    for (const client of [wide, narrow]) client.destroy();
  }

  async #subscribes(): Promise<void> {
    const client = new Asker(this.#stream());
    this.#allowed('narrow connects again', await client.enter('subscribes', 'narrow', PASSWORD));
    while (!this.#isOver && !client.isClosed) {
      this.#allowed('narrow subscribes: always', await client.subscribes('always/x/+'));
      this.#refused('narrow subscribes: secret', await client.subscribes('secret/#'));
      this.#refused('narrow subscribes: last', await client.subscribes('last/#'));
      await breath();
    }
    client.destroy();
  }

  async #enters(clientId: string, username: string | null, password: string | null) {
    const client = new Asker(this.#stream());
    const code = await client.enter(clientId, username, password);
    client.destroy();
    await breath();
    return code;
  }

  async #connects(): Promise<void> {
    while (!this.#isOver) {
      this.#allowed('the last user', await this.#enters('last', 'last', PASSWORD));
      this.#allowed('the first user', await this.#enters('wide-2', 'wide', PASSWORD));
      const ask = (mark: string) => this.#enters('mark', mark, PASSWORD);
      await this.#asksForMark('passwords', ask, WRONG);
    }
  }

  async #connectsInVain(): Promise<void> {
    while (!this.#isOver) {
      this.#refused('a wrong password', await this.#enters('x', 'last', 'wrong'), WRONG);
      this.#refused('a stranger', await this.#enters('x', 'stranger', PASSWORD), WRONG);
      this.#refused('nobody', await this.#enters('x', null, null));
    }
  }
}

/** Leaves some of the processor to the server. */
function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

export function only(versions: Readonly<Record<Part, string>>): Versions {
  const entries = PARTS.map((part) => [part, [versions[part]]]);
  return Object.fromEntries(entries) as Versions;
}
