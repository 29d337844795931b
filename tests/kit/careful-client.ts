// Clients that keep their own side of a session as MQTT wants it, across connections and servers: what is not acknowledged is
// sent again in order, a QoS 2 message is taken once per packet id. They check what a server must never do to them.

import { expect } from 'vitest';
import { ONE_HOUR } from './stored.ts';
import { connectPacket, type TestServer, type WireClient } from './wire.ts';

type AckType = 0x40 | 0x50 | 0x62 | 0x70;

abstract class CarefulClient {
  readonly clientId: string;
  readonly version: 4 | 5;
  /** A server has acknowledged a connection: from then on the session is there. */
  hasSession = false;
  isConnected = false;
  /** It connects with Clean Start 1 until a server has acknowledged that. */
  protected isStartingOver = false;
  #wire: WireClient | null = null;

  constructor(clientId: string, version: 4 | 5) {
    this.clientId = clientId;
    this.version = version;
  }

  get isGone(): boolean {
    return this.#wire === null || this.#wire.isClosed;
  }

  /** Connects; takes over if it is connected. */
  connect(broker: TestServer): void {
    this.isConnected = false;
    this.#wire = broker.open();
    const properties = this.version === 5 ? `${ONE_HOUR} 21 0003` : '';
    this.write(connectPacket(this.version, this.clientId, this.isStartingOver, properties));
  }

  drop(): void {
    this.#wire?.stream.destroy();
    this.#wire = null;
    this.isConnected = false;
  }

  /** Takes what came; false if there was nothing. */
  async takeAll(): Promise<boolean> {
    const wire = this.#wire;
    if (wire === null) return false;
    const packets = await wire.packets();
    for (const packet of packets) {
      if (packet[0] === 0x20) this.#onConnack(packet);
      else this.onPacket(packet);
    }
    if (wire.isClosed) {
      this.#wire = null;
      this.isConnected = false;
    }
    return packets.length > 0;
  }

  protected write(bytes: Uint8Array): void {
    this.#wire?.write(bytes);
  }

  protected acknowledge(type: AckType, packetId: number): void {
    this.write(Uint8Array.of(type, 2, packetId >> 8, packetId & 255));
  }

  /** CONNACK is in: what is unfinished goes again. */
  protected abstract onConnected(): void;
  protected abstract onPacket(packet: Uint8Array): void;

  #onConnack(packet: Uint8Array): void {
    if (packet[3] !== 0) return; // refused; the connection ends
    if (this.isStartingOver) expect(packet[2], 'Clean Start 1 finds no session').toBe(0);
    else if (this.hasSession) expect(packet[2], 'an acknowledged session is present').toBe(1);
    this.isStartingOver = false;
    this.hasSession = true;
    this.isConnected = true;
    this.onConnected();
  }
}

interface Outgoing {
  readonly packetId: number;
  readonly qos: 1 | 2;
  readonly value: number;
  isReleased: boolean;
}

/** Publishes numbers above `base` to `q1` at QoS 1 and to `q2` at QoS 2. */
export class CarefulPublisher extends CarefulClient {
  /** What the server took, in the order of publishing: acknowledged to the end. */
  readonly accepted: Record<1 | 2, number[]> = { 1: [], 2: [] };
  #unfinished: Outgoing[] = [];
  readonly #base: number;
  #lastPacketId = 0;
  #lastValue: number;

  constructor(clientId: string, version: 4 | 5, base: number) {
    super(clientId, version);
    this.#base = base;
    this.#lastValue = base;
  }

  /** The last that it has published. */
  get lastValue(): number {
    return this.#lastValue;
  }

  /** Which of these are its. */
  own(values: readonly number[]): number[] {
    return values.filter((value) => value > this.#base && value <= this.#lastValue);
  }

  get isDone(): boolean {
    return this.#unfinished.length === 0;
  }

  publish(qos: 1 | 2): void {
    if (!this.isConnected || this.#unfinished.length >= 50) return;
    do this.#lastPacketId = (this.#lastPacketId % 200) + 1;
    while (this.#unfinished.some((one) => one.packetId === this.#lastPacketId));
    const outgoing = {
      packetId: this.#lastPacketId,
      qos,
      value: ++this.#lastValue,
      isReleased: false,
    };
    this.#unfinished.push(outgoing);
    this.#send(outgoing, false);
  }

  protected override onConnected(): void {
    for (const outgoing of this.#unfinished) {
      if (outgoing.isReleased) this.acknowledge(0x62, outgoing.packetId);
      else this.#send(outgoing, true);
    }
  }

  protected override onPacket(packet: Uint8Array): void {
    const outgoing = this.#unfinished.find((one) => one.packetId === packetOf(packet));
    if (outgoing === undefined) return;
    switch (packet[0] >> 4) {
      case 4: // PUBACK
        this.#finish(outgoing, reasonCodeOf(packet) < 0x80);
        return;
      case 5: // PUBREC
        if (reasonCodeOf(packet) >= 0x80) {
          this.#finish(outgoing, false);
          return;
        }
        outgoing.isReleased = true;
        this.acknowledge(0x62, outgoing.packetId);
        return;
      case 7: // PUBCOMP
        this.#finish(outgoing, true);
        return;
    }
  }

  #finish(outgoing: Outgoing, isAccepted: boolean): void {
    this.#unfinished = this.#unfinished.filter((one) => one !== outgoing);
    if (isAccepted) this.accepted[outgoing.qos].push(outgoing.value);
  }

  #send({ qos, packetId, value }: Outgoing, dup: boolean): void {
    const header = 0x30 | (qos << 1) | (dup ? 8 : 0);
    const properties = this.version === 5 ? [0] : [];
    const body = [0, 2, 0x71, 0x30 + qos, packetId >> 8, packetId & 255, ...properties];
    this.write(Uint8Array.of(header, body.length + 2, ...body, value >> 8, value & 255));
  }
}

/** Subscribes to `q1` and `q2` at QoS 2 and takes numbers down. */
export class CarefulSubscriber extends CarefulClient {
  readonly received: Record<1 | 2, number[]> = { 1: [], 2: [] };
  isSubscribed = false;
  /** While set, what comes is taken but not acknowledged. */
  isLazy = false;
  /** SUBACK is in. */
  onSubscribed: (() => void) | null = null;
  #waiting: (() => void)[] = [];
  /** QoS 2: packet ids whose PUBREL has not come, with what they brought. */
  readonly #taken = new Map<number, number>();

  /** Acknowledges what was left. */
  catchUp(): void {
    this.isLazy = false;
    for (const acknowledge of this.#waiting) acknowledge();
    this.#waiting = [];
  }

  override connect(broker: TestServer): void {
    this.#waiting = [];
    super.connect(broker);
  }

  /** Begins a new session: what the old one still had is nobody's. v5 */
  startOver(broker: TestServer): void {
    this.isStartingOver = true;
    this.isSubscribed = false;
    this.#taken.clear();
    this.received[1] = [];
    this.received[2] = [];
    this.connect(broker);
  }

  protected override onConnected(): void {
    if (this.isSubscribed) return;
    const properties = this.version === 5 ? [0] : [];
    const filters = [0, 2, 0x71, 0x31, 2, 0, 2, 0x71, 0x32, 2];
    const body = [0, 1, ...properties, ...filters];
    this.write(Uint8Array.of(0x82, body.length, ...body));
  }

  protected override onPacket(packet: Uint8Array): void {
    switch (packet[0] >> 4) {
      case 3:
        this.#onPublish(packet);
        return;
      case 6: {
        const packetId = packetOf(packet);
        this.#taken.delete(packetId);
        this.#soon(0x70, packetId);
        return;
      }
      case 9:
        this.isSubscribed = true;
        this.onSubscribed?.();
        return;
    }
  }

  #onPublish(packet: Uint8Array): void {
    const qos = (packet[0] >> 1) & 3;
    if (qos !== 1 && qos !== 2) throw new Error('QoS 0 was not published');
    const packetId = (packet[6] << 8) | packet[7];
    const value = (packet[packet.length - 2] << 8) | packet[packet.length - 1];
    if (qos === 1) {
      this.received[1].push(value);
      this.#soon(0x40, packetId);
      return;
    }
    const taken = this.#taken.get(packetId);
    if (taken === undefined) {
      this.received[2].push(value);
      this.#taken.set(packetId, value);
    } else {
      expect(value, `packet id ${packetId} is not used for another message`).toBe(taken);
    }
    this.#soon(0x50, packetId);
  }

  #soon(type: AckType, packetId: number): void {
    if (this.isLazy) this.#waiting.push(() => this.acknowledge(type, packetId));
    else this.acknowledge(type, packetId);
  }
}

function packetOf(acknowledgement: Uint8Array): number {
  return (acknowledgement[2] << 8) | acknowledgement[3];
}

function reasonCodeOf(acknowledgement: Uint8Array): number {
  return acknowledgement.length > 4 ? acknowledgement[4] : 0;
}
