// A pipe in memory: the embedded client's and the tests' door, with the contract of a socket. What one side writes the other
// gets in a later turn; a side that does not read makes the other's write unfinished.

import {
  type BoundAddress,
  type Gate,
  type Listener,
  OPEN_GATE,
  type Stream,
  type StreamSink,
} from './stream.ts';

/** Bytes on the way before a write counts as unfinished, as a socket's send buffer would take. */
const BUFFER_BYTES = 65_536;

let lastPort = 0;

export class MemoryStream implements Stream {
  readonly transport = 'memory';
  readonly remoteAddress = 'memory';
  readonly remotePort = ++lastPort;
  readonly certificate = null;
  #peer: MemoryStream | null = null;
  #sink: StreamSink | null = null;
  #inbound: Uint8Array[] = [];
  #inboundBytes = 0;
  #isPaused = false;
  #isScheduled = false;
  #isWriting = false;
  #hasEnded = false;
  #peerHasEnded = false;
  #endDelivered = false;
  #isClosed = false;
  #closeDelivered = false;

  /** Two ends, joined. */
  static pair(): [MemoryStream, MemoryStream] {
    const a = new MemoryStream();
    const b = new MemoryStream();
    a.#peer = b;
    b.#peer = a;
    return [a, b];
  }

  get unsentBytes(): number {
    return this.#peer === null ? 0 : this.#peer.#inboundBytes;
  }

  accepted(): void {}

  open(sink: StreamSink): void {
    this.#sink = sink;
    this.#schedule();
  }

  write(bytes: Uint8Array): boolean {
    const peer = this.#peer;
    if (peer === null || peer.#isClosed || this.#hasEnded || this.#isClosed) return true;
    const copy = new Uint8Array(bytes.length);
    copy.set(bytes);
    peer.#inbound.push(copy);
    peer.#inboundBytes += copy.length;
    peer.#schedule();
    if (peer.#inboundBytes <= BUFFER_BYTES) return true;
    this.#isWriting = true;
    return false;
  }

  writeAll(pieces: readonly Uint8Array[]): boolean {
    let isDone = true;
    for (const piece of pieces) isDone = this.write(piece);
    return isDone;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const peer = this.#peer;
    if (peer !== null) {
      peer.#peerHasEnded = true;
      peer.#schedule();
    }
    this.#schedule();
  }

  destroy(): void {
    if (this.#closeDelivered) return;
    // The peer may have closed it already, and what lies here unread would keep `onClose` from coming.
    this.#isClosed = true;
    this.#inbound = [];
    this.#inboundBytes = 0;
    this.#schedule();
    const peer = this.#peer;
    if (peer !== null && !peer.#isClosed) {
      peer.#isClosed = true;
      peer.#schedule();
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#isScheduled = false;
    const sink = this.#sink;
    if (sink === null || this.#closeDelivered) return;
    while (!this.#isPaused && this.#inbound.length > 0) {
      const chunk = this.#inbound.shift();
      if (chunk === undefined) break;
      this.#inboundBytes -= chunk.length;
      sink.onData(chunk, chunk.length);
    }
    this.#freeWriter();
    if (this.#inbound.length > 0) return;
    if (this.#peerHasEnded && !this.#endDelivered && !this.#isClosed && !this.#isPaused) {
      this.#endDelivered = true;
      sink.onEnd();
    }
    if (this.#hasEnded && this.#endDelivered) this.#isClosed = true;
    if (this.#isClosed) {
      this.#closeDelivered = true;
      sink.onClose(null);
      if (this.#peer !== null) this.#peer.#schedule();
    }
  }

  #freeWriter(): void {
    const writer = this.#peer;
    // Bytes that were thrown away are not written.
    if (writer === null || !writer.#isWriting || this.#isClosed) return;
    if (this.#inboundBytes > BUFFER_BYTES) return;
    writer.#isWriting = false;
    if (!writer.#closeDelivered) writer.#sink?.onWritten();
  }
}

/** Makes pipes: `connect` is the client's side of it. */
export class MemoryListener implements Listener {
  #accept: ((stream: Stream) => void) | null = null;
  #gate: Gate = OPEN_GATE;

  listen(accept: (stream: Stream) => void, gate: Gate = OPEN_GATE): Promise<BoundAddress> {
    this.#accept = accept;
    this.#gate = gate;
    return Promise.resolve({ host: 'memory', port: 0 });
  }

  /** Throws when the listener is closed; a stream that is not admitted is closed at once. */
  connect(): Stream {
    if (this.#accept === null) throw new Error('nobody listens here any more');
    const [client, server] = MemoryStream.pair();
    if (this.#gate.admit('')) this.#accept(server);
    else server.destroy();
    return client;
  }

  close(): Promise<void> {
    this.#accept = null;
    return Promise.resolve();
  }
}
