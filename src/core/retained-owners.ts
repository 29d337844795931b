// Whose the retained messages are: a message belongs to who published it last, by client id and by user name, connected or not.
// Counted as they come and go, so that a quota finds the number without looking at any of them. What the server itself
// retains belongs to nobody.

import type { Message } from '../protocol/message.ts';

export interface RetainedCount {
  readonly messages: number;
  /** Sum of `Message.size`. */
  readonly bytes: number;
}

const NONE: RetainedCount = Object.freeze({ messages: 0, bytes: 0 });

type Counts<Key> = Map<Key, { messages: number; bytes: number }>;

export class RetainedOwners {
  readonly #clients: Counts<string> = new Map();
  readonly #users: Counts<string | null> = new Map();

  /** A message that is retained from now on. */
  add(message: Message): void {
    const { publisher, size } = message;
    if (publisher === null) return;
    count(this.#clients, publisher.clientId, 1, size);
    count(this.#users, publisher.username, 1, size);
  }

  /** One that was, and is not any more. */
  remove(message: Message): void {
    const { publisher, size } = message;
    if (publisher === null) return;
    count(this.#clients, publisher.clientId, -1, -size);
    count(this.#users, publisher.username, -1, -size);
  }

  ofClient(clientId: string): RetainedCount {
    return this.#clients.get(clientId) ?? NONE;
  }

  /** null: those of clients without a user name. */
  ofUser(username: string | null): RetainedCount {
    return this.#users.get(username) ?? NONE;
  }
}

function count<Key>(counts: Counts<Key>, key: Key, messages: number, bytes: number): void {
  let entry = counts.get(key);
  if (entry === undefined) {
    entry = { messages: 0, bytes: 0 };
    counts.set(key, entry);
  }
  entry.messages += messages;
  entry.bytes += bytes;
  if (entry.messages === 0) counts.delete(key);
}
