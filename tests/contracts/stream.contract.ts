// What every transport must do, whatever it runs on; the comments of src/transport/stream.ts are the contract. A transport's
// test says how one of its streams and a peer are made and what its wire cannot do; this is the rest.

import { describe, expect, onTestFinished, test } from 'vitest';
import type { Stream, StreamSink } from '../../src/transport/stream.ts';
import { turns, until } from '../kit/until.ts';
import type { Peer } from './peer.ts';

/** More than any transport takes while its peer does not read. */
const HUGE = 16 * 1_048_576;
/** Turns after which what has not happened does not happen. */
const LONG = 200;

/** A stream as its listener accepts it, not yet opened, and the other end of it. */
export interface Joined {
  readonly server: Stream;
  readonly client: Peer;
  /** Takes down what made them. */
  close(): void | Promise<void>;
}

export interface StreamMaker {
  readonly name: string;
  /** A side that has ended may still read: TCP can, WebSocket cannot. Default: it may. */
  readonly hasHalfClose?: boolean;
  /** A small write to a peer that reads is done at once: TLS, which encrypts first, may not. Default: it is. */
  readonly writesAtOnce?: boolean;
  open(): Promise<Joined>;
}

/** Takes everything down that a stream tells, and what it must not do. */
class Recorder implements StreamSink {
  readonly stream: Stream;
  bytesReceived = 0;
  written = 0;
  ends = 0;
  closes = 0;
  error: Error | null = null;
  readonly faults: string[] = [];
  onBytes: ((chunk: Uint8Array) => void) | null = null;
  onFree: (() => void) | null = null;
  /** Calls into the stream, and calls of the stream, that have not returned. */
  #calls = 0;
  #callbacks = 0;
  #isPaused = false;
  #isDestroyed = false;
  readonly #chunks: Uint8Array[] = [];

  constructor(stream: Stream) {
    this.stream = stream;
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Calls into the stream, and sees to it that it does not call back meanwhile. */
  call<T>(f: (stream: Stream) => T): T {
    this.#calls++;
    const result = f(this.stream);
    this.#calls--;
    return result;
  }

  open(): void {
    this.call((stream) => stream.open(this));
  }

  /** Writes, and waits for the write to be done. */
  async write(bytes: Uint8Array): Promise<void> {
    const before = this.written;
    if (!this.call((stream) => stream.write(bytes))) await until(() => this.written > before);
  }

  pause(): void {
    this.#isPaused = true;
    this.call((stream) => stream.pause());
  }

  resume(): void {
    this.#isPaused = false;
    this.call((stream) => stream.resume());
  }

  end(): void {
    this.call((stream) => stream.end());
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.call((stream) => stream.destroy());
  }

  onData(chunk: Uint8Array, length: number): void {
    this.#during('onData', () => {
      this.bytesReceived += length;
      if (this.onBytes === null) this.#chunks.push(new Uint8Array(chunk.subarray(0, length)));
      else this.onBytes(chunk.subarray(0, length));
      // Borrowed bytes die: whoever shows them again shows nothing.
      chunk.fill(0, 0, length);
    });
  }

  onWritten(): void {
    this.#during('onWritten', () => {
      this.written++;
      this.onFree?.();
    });
  }

  onEnd(): void {
    this.#during('onEnd', () => {
      this.ends++;
    });
  }

  onClose(error: Error | null): void {
    this.#during('onClose', () => {
      this.closes++;
      this.error = error;
    });
  }

  #during(name: string, f: () => void): void {
    const { faults } = this;
    if (this.closes > 0) faults.push(`${name} after onClose`);
    if (this.#calls > 0) faults.push(`${name} from within a call into the stream`);
    if (this.#callbacks > 0) faults.push(`${name} while it calls already`);
    if (this.#isPaused && (name === 'onData' || name === 'onEnd'))
      faults.push(`${name} while paused`);
    if (this.#isDestroyed && name !== 'onClose') faults.push(`${name} after destroy`);
    this.#callbacks++;
    f();
    this.#callbacks--;
  }
}

/** Bytes that have nothing to do with their neighbours: a shift, a loss or a swap shows, and they cannot be compressed. */
const NOISE = noise(HUGE + 65_536);

function noise(length: number): Buffer {
  const words = new Int32Array(length / 4);
  for (let i = 0; i < words.length; i++) {
    const mixed = Math.imul(i + 1, 0x9e3779b1);
    words[i] = Math.imul(mixed ^ (mixed >>> 15), 0x85ebca6b);
  }
  return Buffer.from(words.buffer);
}

/** Where the pattern of that seed begins in the noise. */
function patternStart(seed: number): number {
  return (seed * 131) % 65_000;
}

function pattern(length: number, seed: number): Uint8Array {
  const start = patternStart(seed);
  return new Uint8Array(NOISE.subarray(start, start + length));
}

/** Whether what came is the pattern, looked at chunk by chunk. */
class PatternCheck {
  isRight = true;
  #at: number;

  constructor(seed: number) {
    this.#at = patternStart(seed);
  }

  take(chunk: Uint8Array): void {
    const end = this.#at + chunk.length;
    if (!NOISE.subarray(this.#at, end).equals(chunk)) this.isRight = false;
    this.#at = end;
  }
}

/** Looks at what the peer or the sink gets as the pattern of that seed. */
function checkOf(side: { onBytes: ((chunk: Uint8Array) => void) | null }, seed: number) {
  const check = new PatternCheck(seed);
  side.onBytes = (chunk) => check.take(chunk);
  return check;
}

/** The peer is gone for it: by an end where the wire says goodbye for it, by a close where it does not. */
function isGone(side: Recorder): boolean {
  return side.ends + side.closes > 0;
}

type Opener = (isOpen?: boolean) => Promise<[Recorder, Peer]>;

/** Every stream a test opened is closed at its end, and must have kept to what is forbidden until then. */
function openerOf(maker: StreamMaker): Opener {
  return async (isOpen = true) => {
    const { server: stream, client, close } = await maker.open();
    const server = new Recorder(stream);
    let hasOpened = isOpen;
    if (isOpen) server.open();
    onTestFinished(async () => {
      if (!hasOpened) server.open();
      hasOpened = true;
      if (server.closes === 0) server.destroy();
      if (!client.isClosed) client.reset();
      await until(() => server.closes > 0 && client.isClosed);
      await close();
      expect(server.faults, 'calls the contract forbids').toEqual([]);
      expect(server.closes).toBe(1);
    });
    if (!isOpen) {
      const open = server.open.bind(server);
      server.open = () => {
        hasOpened = true;
        open();
      };
    }
    return [server, client];
  };
}

export function streamContract(maker: StreamMaker): void {
  const open = openerOf(maker);
  describe(`${maker.name} keeps the contract of a stream`, () => {
    describe('writing', () => writingCases(maker, open));
    describe('reading', () => readingCases(open));
    if (maker.hasHalfClose !== false) describe('half closed', () => halfCloseCases(open));
    describe('ending', () => endingCases(maker, open));
  });
}

function writingCases(maker: StreamMaker, open: Opener): void {
  test('tiny writes arrive whole and in order, both ways at once', async () => {
    const [server, client] = await open();
    const toClient: number[] = [];
    const toServer: number[] = [];
    for (let i = 0; i < 300; i++) {
      const bytes = pattern(i % 3 === 0 ? 1 : ((i * i) % 97) + 1, i);
      if (i % 2 === 0) {
        toClient.push(...bytes);
        await server.write(bytes);
      } else {
        toServer.push(...bytes);
        client.write(bytes);
      }
    }
    await until(() => client.bytesReceived === toClient.length);
    await until(() => server.bytesReceived === toServer.length);
    expect([...client.received]).toEqual(toClient);
    expect([...server.received]).toEqual(toServer);
  });

  test('a write that is done at once leaves its bytes free at once', async () => {
    const [server, client] = await open();
    for (let i = 0; i < 20; i++) {
      const bytes = pattern(1_000, i);
      const isDone = server.call((stream) => stream.write(bytes));
      if (maker.writesAtOnce !== false) expect(isDone).toBe(true);
      else if (!isDone) await until(() => server.written > 0);
      server.written = 0;
      bytes.fill(0);
    }
    await until(() => client.bytesReceived === 20_000);
    for (let i = 0; i < 20; i++) {
      const piece = client.received.subarray(i * 1_000, (i + 1) * 1_000);
      expect(piece.equals(pattern(1_000, i)), `write ${i}`).toBe(true);
    }
    expect(server.written, 'no onWritten for a write that was done').toBe(0);
  });

  test('an unfinished write keeps its bytes until onWritten, and only until then', async () => {
    const [server, client] = await open();
    const check = checkOf(client, 3);
    const bytes = pattern(HUGE, 3);
    server.onFree = () => bytes.fill(0);
    expect(server.call((stream) => stream.write(bytes))).toBe(false);
    await until(() => client.bytesReceived === HUGE);
    await until(() => server.written > 0);
    await turns(LONG);
    expect(server.written).toBe(1);
    expect(check.isRight).toBe(true);
  });

  test('a write that was done does not pass for the unfinished one after it', async () => {
    const [server, client] = await open();
    const check = checkOf(client, 4);
    client.pause();
    const all = pattern(HUGE + 100, 4);
    const isDone = server.call((stream) => stream.write(all.subarray(0, 100)));
    if (!isDone) await until(() => server.written === 1);
    server.written = 0;
    expect(server.call((stream) => stream.write(all.subarray(100)))).toBe(false);
    await turns(LONG);
    expect(server.written, 'the peer has not read: the write cannot be done').toBe(0);
    expect(server.stream.unsentBytes).toBeGreaterThan(0);
    client.resume();
    await until(() => client.bytesReceived === HUGE + 100);
    await until(() => server.written === 1);
    expect(check.isRight).toBe(true);
  });

  test('the next write may follow from within onWritten', async () => {
    const [server, client] = await open();
    const check = checkOf(client, 6);
    const all = pattern(HUGE + 50, 6);
    server.onFree = () => {
      server.onFree = null;
      server.call((stream) => stream.write(all.subarray(HUGE)));
    };
    expect(server.call((stream) => stream.write(all.subarray(0, HUGE)))).toBe(false);
    await until(() => client.bytesReceived === HUGE + 50);
    expect(check.isRight).toBe(true);
  });

  test('several pieces go as one write, in order, and are free at once when it is done', async () => {
    const [server, client] = await open();
    const pieces = [pattern(10, 5), pattern(20_000, 6), pattern(1, 7)];
    const whole = Buffer.concat(pieces);
    if (!server.call((stream) => stream.writeAll(pieces))) await until(() => server.written === 1);
    for (const piece of pieces) piece.fill(0);
    await until(() => client.bytesReceived === whole.length);
    expect(client.received.equals(whole)).toBe(true);
  });

  test('several huge pieces are done together, once', async () => {
    const [server, client] = await open();
    const check = checkOf(client, 8);
    const whole = pattern(HUGE, 8);
    const cut = HUGE / 4;
    const pieces = [0, 1, 2, 3].map((i) => whole.subarray(i * cut, (i + 1) * cut));
    server.onFree = () => whole.fill(0);
    expect(server.call((stream) => stream.writeAll(pieces))).toBe(false);
    await until(() => client.bytesReceived === HUGE && server.written > 0);
    await turns(LONG);
    expect(server.written).toBe(1);
    expect(check.isRight).toBe(true);
  });

  test('what a slow peer leaves shows in unsentBytes, and shrinks as it reads', async () => {
    const [server, client] = await open();
    checkOf(client, 9);
    client.pause();
    expect(server.call((stream) => stream.write(pattern(HUGE, 9)))).toBe(false);
    await turns(LONG);
    const before = server.stream.unsentBytes;
    expect(before).toBeGreaterThan(0);
    client.resume();
    await until(() => server.stream.unsentBytes < before);
    await until(() => client.bytesReceived === HUGE);
    expect(server.stream.unsentBytes).toBe(0);
  });

  test('writing to a peer that is gone harms nobody', async () => {
    const [server, client] = await open();
    client.reset();
    for (let i = 0; i < 50 && server.closes === 0; i++) {
      server.call((stream) => stream.write(pattern(1_000, i)));
      await turns(1);
    }
    if (server.closes === 0) server.end();
    await until(() => server.closes === 1);
    // Somebody may not have heard of it yet.
    server.call((stream) => stream.write(pattern(10, 1)));
    server.call((stream) => stream.writeAll([pattern(10, 1), pattern(10, 2)]));
    server.pause();
    server.resume();
    server.end();
    server.destroy();
  });
}

function readingCases(open: Opener): void {
  test('a huge write of the peer arrives whole and in order', async () => {
    const [server, client] = await open();
    const check = checkOf(server, 1);
    client.write(pattern(1_500_000, 1));
    await until(() => server.bytesReceived === 1_500_000);
    expect(check.isRight).toBe(true);
  });

  test('what came before the stream was opened is given after it', async () => {
    const [server, client] = await open(false);
    client.write(pattern(70_000, 2));
    await turns(LONG);
    server.open();
    await until(() => server.bytesReceived === 70_000);
    expect(server.received.equals(pattern(70_000, 2))).toBe(true);
  });

  test('a paused stream gives nothing until it is resumed, not even what is there already', async () => {
    const [server, client] = await open();
    const check = new PatternCheck(0);
    server.onBytes = (chunk) => {
      check.take(chunk);
      server.pause();
    };
    const all = pattern(280_000, 0);
    for (let i = 0; i < 280; i++) client.write(all.subarray(i * 1_000, (i + 1) * 1_000));
    await until(() => server.bytesReceived > 0);
    for (let seen = server.bytesReceived; seen < 280_000; seen = server.bytesReceived) {
      await turns(5);
      expect(server.bytesReceived, 'nothing while it is paused').toBe(seen);
      server.resume();
      await until(() => server.bytesReceived > seen);
    }
    server.resume();
    await turns(LONG);
    expect(server.bytesReceived).toBe(280_000);
    expect(check.isRight).toBe(true);
  });

  test('a pause before anything came holds, however long it takes', async () => {
    const [server, client] = await open();
    server.pause();
    client.write(pattern(1_000, 3));
    await turns(LONG);
    expect(server.bytesReceived).toBe(0);
    server.resume();
    await until(() => server.bytesReceived === 1_000);
  });

  test('pause and resume while bytes are given neither nest nor lose any', async () => {
    const [server, client] = await open();
    const check = new PatternCheck(5);
    server.onBytes = (chunk) => {
      check.take(chunk);
      server.pause();
      server.resume();
      server.pause();
      server.resume();
    };
    const all = pattern(200_000, 5);
    for (let i = 0; i < 200; i++) client.write(all.subarray(i * 1_000, (i + 1) * 1_000));
    await until(() => server.bytesReceived === 200_000);
    expect(check.isRight).toBe(true);
  });

  test('what comes after a stranger was accepted is in order and complete', async () => {
    const [server, client] = await open();
    const check = checkOf(server, 6);
    const { onBytes } = server;
    server.onBytes = (chunk) => {
      onBytes?.(chunk);
      server.stream.accepted();
    };
    const bytes = pattern(1_500_000, 6);
    client.write(bytes.subarray(0, 1_000));
    await until(() => server.bytesReceived === 1_000);
    client.write(bytes.subarray(1_000));
    await until(() => server.bytesReceived === bytes.length);
    expect(check.isRight).toBe(true);
  });

  test('a resume that is taken back at once is none', async () => {
    const [server, client] = await open();
    const check = checkOf(server, 4);
    client.write(pattern(1_000, 4));
    await until(() => server.bytesReceived === 1_000);
    server.pause();
    server.resume();
    server.pause();
    client.write(pattern(501_000, 4).subarray(1_000));
    await turns(LONG);
    expect(server.bytesReceived).toBe(1_000);
    server.resume();
    server.pause();
    await turns(LONG);
    expect(server.bytesReceived).toBe(1_000);
    server.resume();
    await until(() => server.bytesReceived === 501_000);
    expect(check.isRight).toBe(true);
  });

  test('a pause for the last bytes holds the end back, too', async () => {
    const [server, client] = await open();
    server.pause();
    client.write(pattern(10, 1));
    client.end();
    await turns(LONG);
    server.onBytes = () => server.pause();
    server.resume();
    await until(() => server.bytesReceived === 10);
    await turns(LONG);
    expect(server.ends, 'no end while it is paused').toBe(0);
    server.resume();
    await until(() => isGone(server));
  });

  test('a peer that gets no more read stops, and its bytes wait for the reader', async () => {
    const [server, client] = await open();
    const check = checkOf(server, 7);
    server.pause();
    const all = pattern(1_000_000, 7);
    for (let i = 0; i < 100; i++) client.write(all.subarray(i * 10_000, (i + 1) * 10_000));
    client.end();
    await turns(LONG);
    expect([server.bytesReceived, server.ends, server.closes]).toEqual([0, 0, 0]);
    server.resume();
    await until(() => isGone(server));
    expect(server.bytesReceived).toBe(1_000_000);
    expect(check.isRight).toBe(true);
  });
}

function halfCloseCases(open: Opener): void {
  test('a side whose peer has ended may still write', async () => {
    const [server, client] = await open();
    client.write(pattern(5, 1));
    client.end();
    await until(() => server.ends === 1);
    expect(server.bytesReceived).toBe(5);
    await server.write(pattern(7, 2));
    await until(() => client.bytesReceived === 7);
    expect([server.closes, client.hasEnded, client.isClosed]).toEqual([0, false, false]);
    server.end();
    await until(() => server.closes === 1 && client.isClosed);
    expect([server.ends, client.hasEnded]).toEqual([1, true]);
  });

  test('a side that has ended may still read', async () => {
    const [server, client] = await open();
    await server.write(pattern(5, 1));
    server.end();
    await until(() => client.hasEnded);
    expect(client.bytesReceived).toBe(5);
    client.write(pattern(7, 2));
    await until(() => server.bytesReceived === 7);
    expect([server.closes, server.ends]).toEqual([0, 0]);
    client.end();
    await until(() => server.closes === 1);
    expect(server.ends).toBe(1);
  });
}

function endingCases(maker: StreamMaker, open: Opener): void {
  const hasHalfClose = maker.hasHalfClose !== false;

  test('an end of the peer comes after its last byte, and closes once this side has ended', async () => {
    const [server, client] = await open();
    client.write(pattern(100_000, 1));
    client.end();
    await until(() => isGone(server));
    expect(server.received.equals(pattern(100_000, 1))).toBe(true);
    await turns(LONG);
    if (hasHalfClose) expect([server.ends, server.closes]).toEqual([1, 0]);
    server.end();
    await until(() => server.closes === 1);
    expect(server.ends).toBe(1);
    expect(server.error).toBe(null);
  });

  test('an end comes after everything that was written', async () => {
    const [server, client] = await open();
    await server.write(pattern(10, 1));
    server.end();
    await until(() => client.hasEnded);
    expect(client.bytesReceived).toBe(10);
    client.end();
    await until(() => server.closes === 1 && client.isClosed);
    expect(server.error).toBe(null);
  });

  test('an end during an unfinished write comes after its last byte', async () => {
    const [server, client] = await open();
    const check = new PatternCheck(2);
    client.onBytes = (chunk) => {
      expect(client.hasEnded).toBe(false);
      check.take(chunk);
    };
    expect(server.call((stream) => stream.write(pattern(HUGE, 2)))).toBe(false);
    server.end();
    await until(() => client.hasEnded);
    expect(client.bytesReceived).toBe(HUGE);
    expect(check.isRight).toBe(true);
  });

  test('an abrupt end closes this side once, not from within the call, and the peer sees it', async () => {
    const [server, client] = await open();
    server.destroy();
    server.destroy();
    expect(server.closes, 'not from within the call').toBe(0);
    await until(() => server.closes === 1);
    await until(() => client.hasEnded || client.isClosed);
    await turns(LONG);
    expect(server.closes).toBe(1);
  });

  test('an abrupt end from within a call of the stream is the last thing it hears of', async () => {
    const [server, client] = await open();
    server.onBytes = () => server.destroy();
    for (let i = 0; i < 50; i++) client.write(pattern(1_000, i));
    client.end();
    await until(() => server.closes === 1);
    expect(server.bytesReceived).toBeGreaterThan(0);
  });

  test('an abrupt end during an unfinished write forgets the write', async () => {
    const [server, client] = await open();
    client.pause();
    expect(server.call((stream) => stream.write(pattern(HUGE, 2)))).toBe(false);
    server.destroy();
    await until(() => server.closes === 1);
    expect(server.written).toBe(0);
    expect(server.error, 'what is ended from here is no error').toBe(null);
    client.onBytes = () => {};
    client.resume();
    await until(() => client.hasEnded || client.isClosed);
  });

  test('a peer that goes without a word closes the stream once, and last', async () => {
    const [server, client] = await open();
    await server.write(pattern(10, 1));
    await until(() => client.bytesReceived === 10);
    client.reset();
    await until(() => isGone(server));
    server.end();
    await until(() => server.closes === 1);
    await turns(LONG);
    expect(server.closes).toBe(1);
  });

  test('a peer that goes without a word during an unfinished write ends it', async () => {
    const [server, client] = await open();
    client.pause();
    expect(server.call((stream) => stream.write(pattern(HUGE, 2)))).toBe(false);
    await turns(LONG);
    client.reset();
    await until(() => isGone(server));
    server.destroy();
    await until(() => server.closes === 1);
    expect(server.written).toBe(0);
  });

  test('a paused side whose peer is gone gets no byte before it reads on', async () => {
    const [server, client] = await open();
    server.pause();
    client.write(pattern(10, 1));
    await turns(LONG);
    client.reset();
    await turns(LONG);
    expect(server.bytesReceived).toBe(0);
    if (server.closes === 0) server.resume();
    await until(() => isGone(server));
  });

  test('a peer that ended before the stream was opened is heard to its end', async () => {
    const [server, client] = await open(false);
    client.write(pattern(10, 1));
    client.end();
    await turns(LONG);
    server.open();
    expect([server.bytesReceived, server.ends, server.closes], 'from within the call').toEqual([
      0, 0, 0,
    ]);
    await until(() => isGone(server));
    expect(server.bytesReceived).toBe(10);
    server.end();
    await until(() => server.closes === 1);
  });

  test('a peer that ended without a byte before the stream was opened is heard', async () => {
    const [server, client] = await open(false);
    client.end();
    await turns(LONG);
    server.open();
    expect([server.ends, server.closes], 'from within the call').toEqual([0, 0]);
    await until(() => isGone(server));
    server.end();
    await until(() => server.closes === 1);
    expect(server.ends).toBeLessThan(2);
  });

  test('a peer that went before the stream was opened closes it', async () => {
    const [server, client] = await open(false);
    client.reset();
    await turns(LONG);
    server.open();
    expect(server.closes, 'not from within the call').toBe(0);
    await until(() => isGone(server));
    server.end();
    await until(() => server.closes === 1);
  });

  test('a stream that nobody wants is destroyed without being opened', async () => {
    const [server, client] = await open(false);
    server.destroy();
    await until(() => client.hasEnded || client.isClosed);
    server.open();
    await until(() => server.closes === 1);
  });
}
