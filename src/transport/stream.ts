// The contract of a transport: a listener accepts streams, a stream carries bytes both ways. The session layer sees TCP, TLS,
// WebSocket or a pipe in memory only through these types.

/** Whoever a stream belongs to; called by the stream, never re-entered while one of its calls runs. */
export interface StreamSink {
  /** Bytes arrived in `chunk[0..length)`. They are borrowed: they die when this returns. */
  onData(chunk: Uint8Array, length: number): void;
  /** The write that `write` or `writeAll` left unfinished is done: its bytes are free, the next may follow. */
  onWritten(): void;
  /** The peer sends no more; it may still read. */
  onEnd(): void;
  /** The stream is gone; called once, last, and never from within a call of ours into the stream. */
  onClose(error: Error | null): void;
}

/** Why a stream is gone that its own side ended, for what the peer sent or left out. */
export class StreamRefused extends Error {
  override readonly name = 'StreamRefused';
}

/** Where a client is, behind proxies too. */
export interface Peer {
  /** In its one spelling (address.ts); `''` for a socket file. */
  readonly address: string;
  /** 0 where it is not known. */
  readonly port: number;
}

/** What a client showed for itself at TLS, verified. */
export interface ClientCertificate {
  readonly subject: string;
  /** Who the client is by it, as its listener is configured; null: CONNECT says it. */
  readonly username: string | null;
  readonly clientId: string | null;
  /** Why it does not count any more, by what is known now: it was revoked, it expired; null: it does. */
  objection(): string | null;
}

export interface Stream {
  /** `tcp`, `memory`, … for logs and metrics */
  readonly transport: string;
  readonly remoteAddress: string;
  /** 0 where it is not known. */
  readonly remotePort: number;
  /** null: none was asked for, or none was shown. One that does not verify never gets here. */
  readonly certificate: ClientCertificate | null;
  /** Bytes handed over that the kernel does not have yet; used to see progress. */
  readonly unsentBytes: number;
  /** Its CONNECT was accepted: bounds for strangers end. */
  accepted(): void;
  /** Starts reading, with what came before. Called once; nothing is told from within it. */
  open(sink: StreamSink): void;
  /**
   * Writes `bytes`; nothing may be written before an unfinished write is done.
   * True: the bytes are free at once. False: unfinished, `onWritten` will follow, unless the stream closes.
   */
  write(bytes: Uint8Array): boolean;
  /** The same for several pieces in one system call. */
  writeAll(pieces: readonly Uint8Array[]): boolean;
  pause(): void;
  resume(): void;
  /** Ends the sending side once everything is written; the peer may close then. */
  end(): void;
  /** Closes at once; what is not written is lost. */
  destroy(): void;
}

/** Decides who may come in, before anything is read or spent; implemented by the server's Broker. */
export interface Gate {
  /** Counts one more connection from `address` (`''`: nobody knows yet), or says no and counts that. */
  admit(address: string): boolean;
  /** One that was admitted with `''` has an address now; false: it must go, and is still to be released, with `''`. */
  place(address: string): boolean;
  /** One that was admitted is gone before it was a stream; after that the Broker knows. */
  release(address: string): void;
  /** One is refused for another reason, by name. If it was admitted it is still to be released. */
  refuseFor(reason: string): void;
}

/** Lets everybody in. */
export const OPEN_GATE: Gate = {
  admit: () => true,
  place: () => true,
  release: () => {},
  refuseFor: () => {},
};

export interface BoundAddress {
  /** An address, or the path of a socket file. */
  readonly host: string;
  /** 0 for a socket file. */
  readonly port: number;
}

/** Accepts streams at one address. */
export interface Listener {
  /** Resolves with the bound address; rejects if it cannot be had, and leaves nothing open. Streams were admitted by `gate`. */
  listen(accept: (stream: Stream) => void, gate?: Gate): Promise<BoundAddress>;
  /** Refuses new streams from now on; those accepted live on. Resolves when the address is free. */
  close(): Promise<void>;
}
