// What every transport must do, whatever it runs on. A transport's test makes a pair of joined streams; this is the rest.

import { describe, expect, onTestFinished, test } from 'vitest';
import type { Stream, StreamSink } from '../../src/transport/stream.ts';
import { turns, until } from '../kit/until.ts';

/** More than any transport takes while its peer does not read. */
const HUGE = 32 * 1_048_576;
/** Turns after which what has not happened does not happen. */
const LONG = 200;

/** Takes everything down that a stream tells. */
class Recorder implements StreamSink {
  readonly stream: Stream;
  bytesReceived = 0;
  written = 0;
  ends = 0;
  closes = 0;
  /** Calls after `onClose`, and calls from within one of ours into the stream: both forbidden. */
  faults: string[] = [];
  isInCall = false;
  onBytes: ((chunk: Uint8Array) => void) | null = null;
  onFree: (() => void) | null = null;
  readonly #chunks: Uint8Array[] = [];

  constructor(stream: Stream) {
    this.stream = stream;
    stream.open(this);
  }

  /** Calls into the stream, and sees to it that it does not call back meanwhile. */
  call<T>(f: (stream: Stream) => T): T {
    this.isInCall = true;
    const result = f(this.stream);
    this.isInCall = false;
    return result;
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  onData(chunk: Uint8Array, length: number): void {
    this.#check('onData');
    this.bytesReceived += length;
    if (this.onBytes === null) this.#chunks.push(chunk.slice(0, length));
    else this.onBytes(chunk.subarray(0, length));
  }

  onWritten(): void {
    this.#check('onWritten');
    this.written++;
    this.onFree?.();
  }

  onEnd(): void {
    this.#check('onEnd');
    this.ends++;
  }

  onClose(): void {
    this.#check('onClose');
    this.closes++;
  }

  #check(name: string): void {
    if (this.closes > 0) this.faults.push(`${name} after onClose`);
    if (this.isInCall) this.faults.push(`${name} from within a call into the stream`);
  }
}

/** The peer is gone for it: by an end where the network says goodbye for it, by a close where it does not. */
function isGone(side: Recorder): boolean {
  return side.ends + side.closes > 0;
}

/** Bytes that differ from their neighbours, so that a shift, a loss or a swap shows. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 7 + seed) & 0xff;
  return bytes;
}

/** Whether what came is the pattern, looked at chunk by chunk. */
class PatternCheck {
  #at = 0;
  isRight = true;
  readonly #seed: number;

  constructor(seed: number) {
    this.#seed = seed;
  }

  take(chunk: Uint8Array): void {
    for (let i = 0; i < chunk.length; i++, this.#at++) {
      const at = this.#at;
      if (chunk[i] !== ((at * 31 + (at >>> 8) * 7 + this.#seed) & 0xff)) this.isRight = false;
    }
  }
}

export function streamContract(
  name: string,
  connect: () => Promise<readonly [Stream, Stream]>,
): void {
  async function pair(): Promise<[Recorder, Recorder]> {
    const streams = await connect();
    const a = new Recorder(streams[0]);
    const b = new Recorder(streams[1]);
    onTestFinished(async () => {
      a.stream.destroy();
      b.stream.destroy();
      await until(() => a.closes > 0 && b.closes > 0);
      expect([...a.faults, ...b.faults], 'calls the contract forbids').toEqual([]);
      expect([a.closes, b.closes]).toEqual([1, 1]);
    });
    return [a, b];
  }

  describe(`${name} keeps the contract of a stream`, () => {
    test('bytes arrive whole and in order, both ways at once', async () => {
      const [a, b] = await pair();
      const sent: [number[], number[]] = [[], []];
      for (let i = 0; i < 300; i++) {
        const [from, log] = i % 2 === 0 ? [a, sent[0]] : [b, sent[1]];
        const bytes = pattern(((i * i) % 97) + 1, i);
        log.push(...bytes);
        if (!from.call((stream) => stream.write(bytes))) await until(() => from.written > 0);
      }
      await until(() => b.bytesReceived === sent[0].length && a.bytesReceived === sent[1].length);
      expect([...b.received]).toEqual(sent[0]);
      expect([...a.received]).toEqual(sent[1]);
    });

    test('a write that is done at once leaves its bytes free at once', async () => {
      const [a, b] = await pair();
      const bytes = pattern(1_000, 1);
      expect(a.call((stream) => stream.write(bytes))).toBe(true);
      bytes.fill(0);
      await until(() => b.bytesReceived === 1_000);
      expect(b.received.equals(pattern(1_000, 1))).toBe(true);
      expect(a.written, 'no onWritten for a write that was done').toBe(0);
    });

    test('an unfinished write keeps its bytes until onWritten, and only until then', async () => {
      const [a, b] = await pair();
      const check = new PatternCheck(3);
      b.onBytes = (chunk) => check.take(chunk);
      const bytes = pattern(HUGE, 3);
      a.onFree = () => bytes.fill(0);
      expect(a.call((stream) => stream.write(bytes))).toBe(false);
      await until(() => b.bytesReceived === HUGE);
      await until(() => a.written > 0);
      expect(a.written).toBe(1);
      expect(check.isRight).toBe(true);
    });

    test('a write that was done does not pass for the unfinished one after it', async () => {
      const [a, b] = await pair();
      b.call((stream) => stream.pause());
      const small = pattern(100, 4);
      const bytes = pattern(HUGE, 4);
      expect(a.call((stream) => stream.write(small))).toBe(true);
      expect(a.call((stream) => stream.write(bytes))).toBe(false);
      await turns(LONG);
      expect(a.written, 'the peer has not read: the write cannot be done').toBe(0);
      expect(a.stream.unsentBytes).toBeGreaterThan(0);
      b.call((stream) => stream.resume());
      await until(() => b.bytesReceived === HUGE + 100);
      await until(() => a.written === 1);
    });

    test('several pieces go as one write, in order', async () => {
      const [a, b] = await pair();
      const pieces = [pattern(10, 5), pattern(20_000, 6), pattern(1, 7)];
      if (!a.call((stream) => stream.writeAll(pieces))) await until(() => a.written === 1);
      await until(() => b.bytesReceived === 20_011);
      expect(b.received.equals(Buffer.concat(pieces))).toBe(true);
    });

    test('several huge pieces are done together, once', async () => {
      const [a, b] = await pair();
      const check = new PatternCheck(8);
      b.onBytes = (chunk) => check.take(chunk);
      const whole = pattern(HUGE, 8);
      const cut = HUGE / 4;
      const pieces = [0, 1, 2, 3].map((i) => whole.subarray(i * cut, (i + 1) * cut));
      a.onFree = () => whole.fill(0);
      expect(a.call((stream) => stream.writeAll(pieces))).toBe(false);
      await until(() => b.bytesReceived === HUGE && a.written > 0);
      expect(a.written).toBe(1);
      expect(check.isRight).toBe(true);
    });

    test('a paused stream gives nothing until it is resumed, not even what is there already', async () => {
      const [a, b] = await pair();
      b.onBytes = () => b.stream.pause();
      for (let i = 0; i < 4; i++) {
        a.call((stream) => stream.write(pattern(70_000, i)));
        await turns(4);
      }
      await until(() => b.bytesReceived > 0);
      for (let seen = b.bytesReceived; seen < 280_000; seen = b.bytesReceived) {
        await turns(LONG);
        expect(b.bytesReceived, 'nothing while it is paused').toBe(seen);
        b.call((stream) => stream.resume());
        await until(() => b.bytesReceived > seen);
      }
      expect(b.bytesReceived).toBe(280_000);
    });

    test('the bytes that a slow peer leaves show in unsentBytes, and shrink as it reads', async () => {
      const [a, b] = await pair();
      b.call((stream) => stream.pause());
      expect(a.call((stream) => stream.write(pattern(HUGE, 9)))).toBe(false);
      await turns(LONG);
      const before = a.stream.unsentBytes;
      expect(before).toBeGreaterThan(0);
      b.onBytes = () => {};
      b.call((stream) => stream.resume());
      await until(() => a.stream.unsentBytes < before);
      await until(() => b.bytesReceived === HUGE);
      expect(a.stream.unsentBytes).toBe(0);
    });

    test('a side that ended may still read', async () => {
      const [a, b] = await pair();
      a.call((stream) => stream.write(pattern(5, 1)));
      a.call((stream) => stream.end());
      await until(() => b.ends === 1);
      expect(b.bytesReceived).toBe(5);
      b.call((stream) => stream.write(pattern(7, 2)));
      await until(() => a.bytesReceived === 7);
      expect([a.closes, b.closes]).toEqual([0, 0]);
      b.call((stream) => stream.end());
      await until(() => a.closes === 1 && b.closes === 1);
      expect([a.ends, b.ends]).toEqual([1, 1]);
    });

    test('an end during an unfinished write comes after its last byte', async () => {
      const [a, b] = await pair();
      const check = new PatternCheck(2);
      b.onBytes = (chunk) => {
        expect(b.ends).toBe(0);
        check.take(chunk);
      };
      expect(a.call((stream) => stream.write(pattern(HUGE, 2)))).toBe(false);
      a.call((stream) => stream.end());
      await until(() => b.ends === 1);
      expect(b.bytesReceived).toBe(HUGE);
      expect(check.isRight).toBe(true);
    });

    test('an abrupt end closes this side once, not from within the call, and the peer sees it', async () => {
      const [a, b] = await pair();
      a.call((stream) => stream.destroy());
      a.call((stream) => stream.destroy());
      expect(a.closes, 'not from within the call').toBe(0);
      await until(() => a.closes === 1);
      await until(() => isGone(b));
      b.call((stream) => stream.end());
      await until(() => b.closes === 1);
      await turns(LONG);
      expect([a.closes, b.closes]).toEqual([1, 1]);
    });

    test('an abrupt end during an unfinished write forgets the write', async () => {
      const [a, b] = await pair();
      b.call((stream) => stream.pause());
      expect(a.call((stream) => stream.write(pattern(HUGE, 2)))).toBe(false);
      a.call((stream) => stream.destroy());
      await until(() => a.closes === 1);
      expect(a.written).toBe(0);
      b.onBytes = () => {};
      b.call((stream) => stream.resume());
      await until(() => isGone(b));
    });

    test('a paused side whose peer is gone learns of it when it reads on', async () => {
      const [a, b] = await pair();
      b.call((stream) => stream.pause());
      a.call((stream) => stream.write(pattern(10, 1)));
      await turns(LONG);
      a.call((stream) => stream.destroy());
      await turns(LONG);
      expect([b.ends, b.closes, b.bytesReceived]).toEqual([0, 0, 0]);
      b.call((stream) => stream.resume());
      await until(() => isGone(b));
    });

    test('writing to a peer that is gone harms nobody', async () => {
      const [a, b] = await pair();
      b.call((stream) => stream.destroy());
      for (let i = 0; i < 50 && a.closes === 0; i++) {
        a.call((stream) => stream.write(pattern(1_000, i)));
        await turns(1);
      }
      await until(() => a.closes === 1);
    });
  });
}
