// Where the users lie: a table of names and bytes. The server makes one of its store, and so does a command while the server is
// stopped.

export interface UserEntry {
  readonly key: string;
  readonly value: Uint8Array;
}

export interface UserTable {
  /** All that is in it. */
  load(): Promise<readonly UserEntry[]>;
  /** Resolves when it is durable. */
  put(key: string, value: Uint8Array): Promise<void>;
  remove(key: string): Promise<void>;
}
