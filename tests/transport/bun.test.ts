// What the stream on Bun's sockets makes of whatever such a socket may do, by a scripted one that runs anywhere. That a real
// one does what the contract says is looked at by tcp-listener.test.ts, under Bun.

import { describe, expect, test } from 'vitest';
import { type BunSocket, BunStream } from '../../src/transport/bun.ts';
import type { StreamSink } from '../../src/transport/stream.ts';
import { turns } from '../kit/until.ts';

/** A socket whose kernel has room for `room` bytes. */
class ScriptedSocket implements BunSocket {
  data = new BunStream(this, { address: '127.0.0.1', port: 1 });
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort = 1;
  room = Number.POSITIVE_INFINITY;
  isClosed = false;
  readonly written: number[] = [];
  readonly calls: string[] = [];

  write(bytes: Uint8Array): number {
    if (this.isClosed) return -1;
    const taken = Math.min(this.room, bytes.length);
    this.room -= taken;
    this.written.push(...bytes.subarray(0, taken));
    this.calls.push(`write ${taken} of ${bytes.length}`);
    return taken;
  }

  shutdown(): void {
    this.calls.push('shutdown');
  }

  /** As Bun does, before it returns. */
  close(): void {
    this.isClosed = true;
    this.data.onClose(null);
  }

  pause(): void {
    this.calls.push('pause');
  }

  resume(): void {
    this.calls.push('resume');
  }

  setKeepAlive(): boolean {
    return true;
  }

  drain(room: number): void {
    this.room = room;
    this.data.onDrain();
  }
}

function opened(): { socket: ScriptedSocket; stream: BunStream; told: string[] } {
  const socket = new ScriptedSocket();
  const told: string[] = [];
  const sink: StreamSink = {
    onData: (chunk, length) => told.push(`data ${[...chunk.subarray(0, length)]}`),
    onWritten: () => told.push('written'),
    onEnd: () => told.push('end'),
    onClose: (error) => told.push(`close ${error?.message ?? ''}`),
  };
  socket.data.open(sink);
  return { socket, stream: socket.data, told };
}

const bytes = (...values: number[]) => new Uint8Array(values);

describe('writing', () => {
  test('the rest of a write that was taken in part follows drain by drain, and is told once', () => {
    const { socket, stream, told } = opened();
    socket.room = 2;
    expect(stream.write(bytes(1, 2, 3, 4, 5))).toBe(false);
    expect(stream.unsentBytes).toBe(3);
    socket.drain(1);
    expect(stream.unsentBytes).toBe(2);
    expect(told).toEqual([]);
    socket.drain(0);
    expect(told).toEqual([]);
    socket.drain(9);
    expect(stream.unsentBytes).toBe(0);
    expect(told).toEqual(['written']);
    expect(socket.written).toEqual([1, 2, 3, 4, 5]);
  });

  test('a drain that nobody waits for is not told', () => {
    const { socket, stream, told } = opened();
    expect(stream.write(bytes(1))).toBe(true);
    socket.drain(9);
    expect(told).toEqual([]);
  });

  test('a write of which nothing was taken is unfinished', () => {
    const { socket, stream, told } = opened();
    socket.room = 0;
    expect(stream.write(bytes(1))).toBe(false);
    socket.drain(1);
    expect(told).toEqual(['written']);
  });

  test('several small pieces are one write, also when it was taken in part', () => {
    const { socket, stream, told } = opened();
    socket.room = 4;
    expect(stream.writeAll([bytes(1), bytes(2, 3), bytes(4, 5), bytes(6)])).toBe(false);
    socket.drain(9);
    expect(told).toEqual(['written']);
    expect(socket.written).toEqual([1, 2, 3, 4, 5, 6]);
    expect(socket.calls).toEqual(['write 4 of 6', 'write 2 of 2']);
  });

  test('an end waits for the unfinished write', () => {
    const { socket, stream } = opened();
    socket.room = 1;
    expect(stream.write(bytes(1, 2))).toBe(false);
    stream.end();
    expect(socket.calls).toEqual(['write 1 of 2']);
    socket.drain(1);
    expect(socket.calls).toEqual(['write 1 of 2', 'write 1 of 1', 'shutdown']);
  });

  test('a socket that is closed takes the bytes of nobody', () => {
    const { socket, stream } = opened();
    socket.isClosed = true;
    expect(stream.write(bytes(1))).toBe(true);
    socket.data.onClose(null);
    expect(stream.write(bytes(2))).toBe(true);
    expect(stream.writeAll([bytes(3), bytes(4)])).toBe(true);
    expect(socket.written).toEqual([]);
  });
});

describe('reading', () => {
  test('what comes while it is paused is kept and told in order, not from within resume', async () => {
    const { stream, told } = opened();
    stream.pause();
    stream.onData(bytes(1));
    stream.onData(bytes(2));
    stream.onEnd();
    stream.resume();
    stream.onData(bytes(3));
    expect(told).toEqual([]);
    await turns(2);
    expect(told).toEqual(['data 1', 'data 2', 'data 3', 'end']);
  });

  test('a sink that pauses at the first of what was kept gets no more before it resumes', async () => {
    const socket = new ScriptedSocket();
    const stream = socket.data;
    const told: number[] = [];
    stream.onData(bytes(1));
    stream.onData(bytes(2));
    stream.open({
      onData: (chunk) => {
        told.push(chunk[0]);
        stream.pause();
      },
      onWritten() {},
      onEnd() {},
      onClose() {},
    });
    await turns(2);
    expect(told).toEqual([1]);
    stream.resume();
    await turns(2);
    expect(told).toEqual([1, 2]);
  });

  test('a reset while it is paused is told behind the bytes that came before it', async () => {
    const { stream, told } = opened();
    stream.pause();
    stream.onData(bytes(1));
    stream.onClose(new Error('reset'));
    await turns(2);
    expect(told).toEqual([]);
    stream.resume();
    await turns(2);
    expect(told).toEqual(['data 1', 'close reset']);
  });
});

describe('the end', () => {
  test('a close is told once, not from within the call, and the unfinished write is forgotten', async () => {
    const { socket, stream, told } = opened();
    socket.room = 0;
    stream.write(bytes(1));
    stream.destroy();
    expect(told).toEqual([]);
    stream.destroy();
    await turns(2);
    expect(told).toEqual(['close ']);
    expect(stream.unsentBytes).toBe(0);
  });

  test('what was kept dies with an abrupt end', async () => {
    const { stream, told } = opened();
    stream.pause();
    stream.onData(bytes(1));
    stream.destroy();
    await turns(2);
    expect(told).toEqual(['close ']);
  });

  test('a peer that ends after us has ended before the close, though Bun tells only the close', async () => {
    const { stream, told } = opened();
    stream.end();
    stream.onClose(null);
    await turns(2);
    expect(told).toEqual(['end', 'close ']);
  });

  test('a peer that ended first is not told to end again', async () => {
    const { stream, told } = opened();
    stream.onEnd();
    stream.end();
    stream.onClose(null);
    await turns(2);
    expect(told).toEqual(['end', 'close ']);
  });

  test('a reset after our end is no end', async () => {
    const { stream, told } = opened();
    stream.end();
    stream.onClose(new Error('reset'));
    await turns(2);
    expect(told).toEqual(['close reset']);
  });
});
