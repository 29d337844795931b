// Packets that promise something and wait for its commit, in the order in which they must leave. Once one waits, later ones of
// its kind queue behind it. They die with the connection: a session's state says what to send again.

import { RingBuffer } from '../lib/ring-buffer.ts';

export class HeldPacket {
  /** Batch that must be durable first. */
  readonly commit: number;
  readonly bytes: Uint8Array;
  /** It acknowledges the end of an inbound QoS 1 or 2 PUBLISH: its slot of the receive window is free when it leaves. */
  readonly freesSlot: boolean;
  /** What follows once it left: retained messages after SUBACK, the queue after CONNACK. */
  readonly onReleased: (() => void) | null;

  constructor(
    commit: number,
    bytes: Uint8Array,
    freesSlot: boolean,
    onReleased: (() => void) | null,
  ) {
    this.commit = commit;
    this.bytes = bytes;
    this.freesSlot = freesSlot;
    this.onReleased = onReleased;
  }
}

export type HeldPackets = RingBuffer<HeldPacket>;

export function heldPackets(): HeldPackets {
  return new RingBuffer<HeldPacket>();
}
