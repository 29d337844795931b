// Keep Alive, MQTT 5 §3.1.2.10: a client that sends no packet for one and a half times its interval is gone. Only whole
// packets count, [MQTT-3.1.2-22] or a drop of bytes now and then would keep a dead client alive; but a large packet on a slow
// line may take longer than that, so a good piece of one counts as well.

/** Bytes of an unfinished packet that show that its sender lives. */
const PIECE_BYTES = 1_024;

export class KeepAlive {
  /** milliseconds; 0 = none */
  timeoutMs = 0;
  /** monotonic milliseconds: the last sign of life */
  #aliveMs: number;
  /** Bytes since then that are no whole packet yet. */
  #pieceBytes = 0;

  constructor(nowMs: number) {
    this.#aliveMs = nowMs;
  }

  /** One and a half times the interval that counts, in seconds. §3.1.2.10 */
  start(seconds: number, nowMs: number): void {
    this.timeoutMs = seconds * 1_500;
    this.onPacket(nowMs);
  }

  /** Some bytes came, whatever they are. */
  onBytes(length: number, nowMs: number): void {
    this.#pieceBytes += length;
    if (this.#pieceBytes >= PIECE_BYTES) this.onPacket(nowMs);
  }

  /** A whole packet is in; or the client could not be heard until now. */
  onPacket(nowMs: number): void {
    this.#aliveMs = nowMs;
    this.#pieceBytes = 0;
  }

  /** When the client is given up, unless it sends something before; monotonic milliseconds. */
  get dueMs(): number {
    return this.#aliveMs + this.timeoutMs;
  }
}
