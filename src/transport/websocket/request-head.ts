// The head of one HTTP request, cut off from what comes behind it. Node's HTTP would make a request and an answer of each of the
// thousands that fit into one read, before anybody could say that one is enough: 64 KiB of them took a tenth of a second.

import type net from 'node:net';

const NO_BYTES = Buffer.alloc(0);
const HEAD_END = '\r\n\r\n';
const LETTER_A = 0x41;
const LETTER_Z = 0x5a;

export interface RequestHeadOwner {
  /** The socket is paused; the head is the next that is read of it, and `rest` came behind. */
  onHead(rest: Buffer): void;
  /** It has more bytes than it may have. */
  onTooLong(): void;
  /** What comes begins with this byte, as no request does. */
  onNoRequest(first: number): void;
}

export class RequestHead {
  readonly #socket: net.Socket;
  readonly #bytesMax: number;
  readonly #owner: RequestHeadOwner;
  #bytes: Buffer = NO_BYTES;
  readonly #onReadable = (): void => this.#read();
  readonly #onEnd = (): void => void this.#socket.destroy();

  constructor(socket: net.Socket, bytesMax: number, owner: RequestHeadOwner) {
    this.#socket = socket;
    this.#bytesMax = bytesMax;
    this.#owner = owner;
  }

  /** Begins to read; one of the owner's methods is called, once, unless the socket ends or is closed before. */
  open(): void {
    this.#socket.on('error', ignore);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('readable', this.#onReadable);
  }

  #read(): void {
    const more = this.#socket.read() as Buffer | null;
    if (more === null) return;
    const from = Math.max(0, this.#bytes.length - HEAD_END.length + 1);
    this.#bytes = this.#bytes.length === 0 ? more : Buffer.concat([this.#bytes, more]);
    const bytes = this.#bytes;
    const end = bytes.indexOf(HEAD_END, from, 'latin1') + HEAD_END.length;
    if (bytes[0] < LETTER_A || bytes[0] > LETTER_Z) {
      this.#stop();
      this.#owner.onNoRequest(bytes[0]);
    } else if (end >= HEAD_END.length && end <= this.#bytesMax) {
      this.#stop();
      this.#socket.unshift(bytes.subarray(0, end));
      this.#owner.onHead(bytes.subarray(end));
    } else if (bytes.length >= this.#bytesMax) {
      this.#stop();
      this.#owner.onTooLong();
    }
  }

  #stop(): void {
    const socket = this.#socket;
    this.#bytes = NO_BYTES;
    socket.off('readable', this.#onReadable);
    socket.off('end', this.#onEnd);
    // Removing the listener has made the socket want to flow again.
    socket.pause();
  }
}

/** What an error means is told by the close that follows. */
function ignore(): void {}
