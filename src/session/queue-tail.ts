// The part of a queue that lies in the store: of each message only what the queue must know to bound itself and to say what it
// lost, in arrays side by side, about thirty bytes a message. So a million messages may wait for clients that are away.

/** What is known of a queued message without reading it. */
export interface QueuedEntry {
  readonly sequence: number;
  readonly topicName: string;
  /** `Message.size`, bytes */
  readonly size: number;
  readonly isQos0: boolean;
  readonly isShared: boolean;
  /** monotonic milliseconds; infinite = never */
  readonly expiresAtMs: number;
}

const QOS0 = 1;
const SHARED = 2;
/** What lies below the lowest entry is cut off when it is so much, and most of the arrays. */
const WASTE_MAX = 64;

export class QueueTail {
  #sequences: number[] = [];
  #topicNames: string[] = [];
  /** Size times four, plus the flags. */
  #sizes: number[] = [];
  /** Null while nothing here expires. */
  #expiries: number[] | null = null;
  /** Index of the oldest. */
  #start = 0;
  #sharedCount = 0;

  get length(): number {
    return this.#sequences.length - this.#start;
  }

  get sharedCount(): number {
    return this.#sharedCount;
  }

  /** `sequence` is above all that are here. */
  push(entry: QueuedEntry): void {
    if (entry.expiresAtMs !== Number.POSITIVE_INFINITY && this.#expiries === null) {
      this.#expiries = new Array<number>(this.#sequences.length).fill(Number.POSITIVE_INFINITY);
    }
    this.#sequences.push(entry.sequence);
    this.#topicNames.push(entry.topicName);
    this.#sizes.push(entry.size * 4 + (entry.isQos0 ? QOS0 : 0) + (entry.isShared ? SHARED : 0));
    this.#expiries?.push(entry.expiresAtMs);
    if (entry.isShared) this.#sharedCount++;
  }

  /** The entry at a position, 0 = the oldest. */
  at(position: number): QueuedEntry | undefined {
    const index = this.#start + position;
    if (position < 0 || index >= this.#sequences.length) return undefined;
    const packed = this.#sizes[index];
    return {
      sequence: this.#sequences[index],
      topicName: this.#topicNames[index],
      size: Math.floor(packed / 4),
      isQos0: (packed & QOS0) !== 0,
      isShared: (packed & SHARED) !== 0,
      expiresAtMs: this.#expiries === null ? Number.POSITIVE_INFINITY : this.#expiries[index],
    };
  }

  sequenceAt(position: number): number {
    return this.#sequences[this.#start + position];
  }

  /** Position of a sequence number, or -1. */
  positionOf(sequence: number): number {
    const sequences = this.#sequences;
    let low = this.#start;
    let high = sequences.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sequences[middle] < sequence) low = middle + 1;
      else high = middle;
    }
    return low < sequences.length && sequences[low] === sequence ? low - this.#start : -1;
  }

  /** Position of the message of a topic, or -1; where there are several, of the oldest. */
  positionOfTopic(topicName: string): number {
    const index = this.#topicNames.indexOf(topicName, this.#start);
    return index < 0 ? -1 : index - this.#start;
  }

  /** Takes one out. */
  removeAt(position: number): QueuedEntry | undefined {
    const entry = this.at(position);
    if (entry === undefined) return undefined;
    if (entry.isShared) this.#sharedCount--;
    const index = this.#start + position;
    if (position > 0) {
      this.#sequences.splice(index, 1);
      this.#topicNames.splice(index, 1);
      this.#sizes.splice(index, 1);
      this.#expiries?.splice(index, 1);
      return entry;
    }
    this.#topicNames[index] = '';
    this.#start++;
    if (this.#start >= WASTE_MAX && this.#start * 2 > this.#sequences.length) this.#cut();
    return entry;
  }

  shift(): QueuedEntry | undefined {
    return this.removeAt(0);
  }

  #cut(): void {
    this.#sequences = this.#sequences.slice(this.#start);
    this.#topicNames = this.#topicNames.slice(this.#start);
    this.#sizes = this.#sizes.slice(this.#start);
    this.#expiries = this.#expiries === null ? null : this.#expiries.slice(this.#start);
    this.#start = 0;
  }
}
