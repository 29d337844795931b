// What is left of a write of one or more pieces, for transports whose sockets take part of the bytes and leave the rest to us.
// Several small pieces are put together, so that they are one system call; large ones are written from where they lie.

const GATHERED_BYTES = 16_384;
/** One for all: the kernel has copied what it takes of it when the socket's write returns. */
const gathered = new Uint8Array(GATHERED_BYTES);

export class UnfinishedWrite {
  /** How many bytes are left. */
  bytes = 0;
  readonly #pieces: readonly Uint8Array[];
  #first = 0;
  /** Bytes of the first piece that are written. */
  #offset = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    for (const piece of pieces) this.bytes += piece.length;
  }

  /** The next bytes to write, of which any number may be taken; they die at the next call, whoever's it is. */
  next(): Uint8Array {
    const pieces = this.#pieces;
    const first = pieces[this.#first];
    const left = first.length - this.#offset;
    if (left >= GATHERED_BYTES || left === this.bytes) return first.subarray(this.#offset);
    gathered.set(first.subarray(this.#offset));
    let length = left;
    for (let i = this.#first + 1; i < pieces.length && length < GATHERED_BYTES; i++) {
      const piece = pieces[i];
      const room = GATHERED_BYTES - length;
      gathered.set(piece.length > room ? piece.subarray(0, room) : piece, length);
      length += Math.min(piece.length, room);
    }
    return gathered.subarray(0, length);
  }

  /** So many of them are written. */
  advance(count: number): void {
    this.bytes -= count;
    let offset = this.#offset + count;
    while (this.#first < this.#pieces.length && offset >= this.#pieces[this.#first].length) {
      offset -= this.#pieces[this.#first].length;
      this.#first++;
    }
    this.#offset = offset;
  }
}
