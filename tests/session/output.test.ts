import { expect, test } from 'vitest';
import { BufferPool, LARGE } from '../../src/core/buffer-pool.ts';
import { Output } from '../../src/session/output.ts';
import type { Stream } from '../../src/transport/stream.ts';

/** Takes what it is given, at once or only when told, and reads the bytes as late as the contract allows. */
class SlowStream implements Stream {
  readonly transport = 'test';
  readonly remoteAddress = '';
  readonly remotePort = 0;
  readonly certificate = null;
  isSlow = true;
  writes = 0;
  received: number[] = [];
  #pending: readonly Uint8Array[] | null = null;

  get unsentBytes(): number {
    return this.#pending?.reduce((sum, piece) => sum + piece.length, 0) ?? 0;
  }

  write(bytes: Uint8Array): boolean {
    return this.writeAll([bytes]);
  }

  writeAll(pieces: readonly Uint8Array[]): boolean {
    if (this.#pending !== null) throw new Error('a write while one is unfinished');
    this.writes++;
    this.#pending = pieces;
    if (!this.isSlow) this.finish();
    return !this.isSlow;
  }

  finish(): void {
    for (const piece of this.#pending ?? []) this.received.push(...piece);
    this.#pending = null;
  }

  accepted(): void {}
  open(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}
}

function packet(size: number, value: number): Uint8Array {
  return new Uint8Array(size).fill(value);
}

test('packets of one turn leave with one write, in order', () => {
  const output = new Output(new BufferPool());
  const stream = new SlowStream();
  stream.isSlow = false;
  for (let i = 1; i <= 200; i++) output.append(packet(10, i));
  expect(output.pendingBytes).toBe(2_000);
  expect(output.flush(stream)).toBe(2_000);
  expect(stream.writes).toBe(1);
  expect(stream.received).toEqual(Array.from({ length: 2_000 }, (_, i) => Math.floor(i / 10) + 1));
  expect([output.pendingBytes, output.isWriting]).toEqual([0, false]);
  expect(output.flush(stream), 'nothing to write').toBe(0);
  expect(stream.writes).toBe(1);
});

test('while a write is unfinished what comes waits, counted, and keeps its order', () => {
  const output = new Output(new BufferPool());
  const stream = new SlowStream();
  output.append(packet(100, 1));
  output.flush(stream);
  expect([output.isWriting, output.pendingBytes, output.unwrittenBytes]).toEqual([true, 100, 0]);
  output.append(packet(50, 2));
  expect(output.flush(stream)).toBe(0);
  expect([output.pendingBytes, output.unwrittenBytes]).toEqual([150, 50]);
  stream.finish();
  output.written();
  expect([output.isWriting, output.pendingBytes]).toEqual([false, 50]);
  stream.isSlow = false;
  output.flush(stream);
  expect(stream.received).toEqual([...packet(100, 1), ...packet(50, 2)]);
});

test('a shared payload goes between the packets before and after it, uncopied', () => {
  const output = new Output(new BufferPool());
  const stream = new SlowStream();
  const shared = packet(20_000, 2);
  output.append(packet(10, 1));
  output.appendShared(shared);
  output.append(packet(10, 3));
  output.appendShared(shared);
  expect(output.pendingBytes).toBe(40_020);
  output.flush(stream);
  stream.finish();
  output.written();
  const wanted = [packet(10, 1), shared, packet(10, 3), shared].flatMap((each) => [...each]);
  expect(stream.received.length).toBe(wanted.length);
  expect(stream.received.every((byte, i) => byte === wanted[i])).toBe(true);
  expect(stream.writes).toBe(1);
});

test('a buffer whose write is unfinished is not used for other output', () => {
  const pool = new BufferPool();
  const slow = new SlowStream();
  const fast = new SlowStream();
  fast.isSlow = false;
  const a = new Output(pool);
  const b = new Output(pool);
  a.append(packet(1_000, 1));
  a.flush(slow);
  for (let i = 0; i < 10; i++) {
    b.append(packet(1_000, 9));
    b.flush(fast);
  }
  slow.finish();
  expect(slow.received.every((byte) => byte === 1)).toBe(true);
  a.written();
});

test('any mix of sizes and slowness keeps every byte in order', () => {
  let seed = 11;
  const random = (below: number) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const pool = new BufferPool();
  const pairs = [0, 1, 2].map(() => ({
    output: new Output(pool),
    stream: new SlowStream(),
    sent: [] as number[],
  }));
  for (let i = 0; i < 1_500; i++) {
    const { output, stream, sent } = pairs[random(3)];
    const size = [1, 30, 900, 1_025, 9_000, LARGE + 1][Math.min(random(6), random(6))];
    const bytes = packet(size, random(256));
    if (size >= 9_000 && random(2) === 0) output.appendShared(bytes);
    else output.append(bytes);
    sent.push(bytes[0], size);
    if (random(3) === 0) {
      stream.isSlow = random(2) === 0;
      output.flush(stream);
    }
    if (output.isWriting && random(2) === 0) {
      stream.finish();
      output.written();
    }
  }
  for (const { output, stream, sent } of pairs) {
    stream.finish();
    output.written();
    stream.isSlow = false;
    output.flush(stream);
    expect(output.pendingBytes).toBe(0);
    let at = 0;
    let faults = 0;
    for (let i = 0; i < sent.length; i += 2) {
      for (let j = 0; j < sent[i + 1]; j++) if (stream.received[at++] !== sent[i]) faults++;
    }
    expect([faults, stream.received.length - at]).toEqual([0, 0]);
  }
});

test('cleared output counts nothing and can be used no more than any other', () => {
  const output = new Output(new BufferPool());
  const stream = new SlowStream();
  output.append(packet(10, 1));
  output.flush(stream);
  output.append(packet(10, 1));
  output.appendShared(packet(9_000, 1));
  output.clear();
  expect(output.pendingBytes).toBe(0);
});
