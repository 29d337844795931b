// One publishing client of a bench: it sends what its pace gives it, within a window, and counts what became of each message. No more
// messages are out than the server lets in at QoS 1 and 2, or than the system has taken at QoS 0: so memory stays bounded.

import type { ConnackPacket } from '../../protocol/packet.ts';
import type { OutgoingMessage } from '../client.ts';
import { HEADER_BYTES, nowMicros, writeHeader } from './header.ts';
import type { Member } from './member.ts';
import type { Pace, Paced } from './pace.ts';
import type { BenchPlan } from './plan.ts';
import type { Tally } from './tally.ts';

const FAILURE = 0x80;
/** What may be out at QoS 0, by number and in bytes. */
const UNWRITTEN_MAX = 64;
const UNWRITTEN_BYTES_MAX = 262_144;

export class BenchPublisher implements Paced {
  readonly number: number;
  readonly #run: number;
  readonly #member: Member;
  readonly #message: OutgoingMessage;
  readonly #payload: Buffer;
  readonly #tally: Tally;
  readonly #window: number;
  #pace: Pace<BenchPublisher> | null = null;
  #sequence = 0;
  #refused = 0;
  #outstanding = 0;
  /** The window was full when something was due: the server makes it wait. */
  #isHeld = false;
  #isOver = false;
  #isAwaited = false;

  /** `payload` may be that of others, too: the client copies it before it returns. */
  constructor(
    plan: BenchPlan,
    run: number,
    number: number,
    { member, connack, payload }: { member: Member; connack: ConnackPacket; payload: Buffer },
    tally: Tally,
  ) {
    const { qos, retain, publishProperties: properties, payloadBytes } = plan;
    this.number = number;
    this.#run = run;
    this.#member = member;
    this.#payload = payload;
    this.#message = { topicName: plan.topicOf(number), payload, qos, retain, properties };
    this.#tally = tally;
    const { receiveMaximum = 65_535 } = connack.properties;
    const inflightMax = plan.clientOf(number, 'publisher').inflightMax;
    const unwritten = Math.max(1, Math.floor(UNWRITTEN_BYTES_MAX / Math.max(1, payloadBytes)));
    this.#window =
      qos === 0 ? Math.min(UNWRITTEN_MAX, unwritten) : Math.min(inflightMax, receiveMaximum);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** What a subscriber is to get, if it was acknowledged at QoS 1 and 2. */
  get promised(): number {
    return this.#sequence - this.#refused - this.#outstanding;
  }

  begin(pace: Pace<BenchPublisher>): void {
    this.#pace = pace;
  }

  /** Nothing more is sent; what is out may still be acknowledged. */
  stop(): void {
    this.#pace = null;
  }

  /** Its connection has ended, or will not be waited for: what is out is not acknowledged. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#pace = null;
    this.#tally.unacknowledged += this.#outstanding;
    this.#tally.outstanding -= this.#outstanding;
  }

  pump(): void {
    this.#member.together(() => {
      while (this.#pace !== null && this.#outstanding < this.#window) {
        const dueMs = this.#pace.take(this);
        if (dueMs === null) {
          this.#isHeld = false;
          return;
        }
        this.#send(this.#isHeld ? dueMs : performance.now());
      }
      this.#isHeld = true;
    });
  }

  /** Once a turn of the event loop: what the system takes at once would never let anybody else have a turn. */
  #pumpNextTurn(): void {
    if (this.#isAwaited || this.#pace === null) return;
    this.#isAwaited = true;
    setImmediate(() => {
      this.#isAwaited = false;
      this.pump();
    });
  }

  #send(sentAtMs: number): void {
    const sequence = this.#sequence++;
    if (this.#payload.length >= HEADER_BYTES) {
      const sentAtMicros = nowMicros() - (performance.now() - sentAtMs) * 1_000;
      const { number: publisher } = this;
      writeHeader(this.#payload, { run: this.#run, publisher, sequence, sentAtMicros });
    }
    this.#outstanding++;
    this.#tally.outstanding++;
    this.#tally.sent++;
    this.#member.client.publish(this.#message).then(
      (reasonCode) => this.#onTaken(reasonCode, sentAtMs),
      (error: Error) => this.#onFailed(error),
    );
  }

  #onTaken(reasonCode: number, sentAtMs: number): void {
    if (this.#isOver) return;
    this.#outstanding--;
    this.#tally.outstanding--;
    if (reasonCode >= FAILURE) {
      this.#refused++;
      this.#tally.refused++;
      this.#tally.note({ packet: 'PUBACK', reasonCode, message: '' });
    } else if (this.#message.qos > 0) {
      this.#tally.acknowledged++;
      this.#tally.acknowledgement.record((performance.now() - sentAtMs) * 1_000);
    }
    this.#pumpNextTurn();
  }

  /** It could not be sent to this server, and no other one can; or the connection has ended. */
  #onFailed(error: Error): void {
    if (this.#isOver) return;
    if (error instanceof RangeError) this.#tally.note({ packet: null, message: error.message });
    this.end();
  }
}
