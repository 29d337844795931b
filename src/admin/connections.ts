// The connections of the admin API's listener. When there are as many as there may be, whoever comes is let in all the same, and the
// address that has most of them pays with its oldest one: who opens thousands and says little pushes out its own, and a health check
// from elsewhere gets in. A connection that answers somebody with a token goes last.

import { limitKey, normalizeAddress } from '../lib/address.ts';

/** A socket, as far as it matters here. */
export interface ClosableSocket {
  readonly remoteAddress?: string;
  readonly remotePort?: number;
  destroy(): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** Where a socket comes from: of a TLS socket the same as of the one below it. */
export type Remote = Pick<ClosableSocket, 'remoteAddress' | 'remotePort'>;

interface Connection {
  readonly socket: ClosableSocket;
  /** Answers that are on their way to somebody with a token. */
  busy: number;
}

export class Connections {
  readonly #max: number;
  /** Called with each address that paid. */
  readonly #onFull: (address: string) => void;
  /** By address, and there by address and port, the oldest first. */
  readonly #owners = new Map<string, Map<string, Connection>>();
  #size = 0;

  constructor(max: number, onFull: (address: string) => void) {
    this.#max = max;
    this.#onFull = onFull;
  }

  get size(): number {
    return this.#size;
  }

  /** Lets it in. */
  add(socket: ClosableSocket): void {
    const owner = ownerOf(socket);
    const place = placeOf(socket);
    if (this.#size >= this.#max) this.#makeRoom(owner);
    const connections = this.#owners.get(owner) ?? new Map<string, Connection>();
    if (!connections.has(place)) this.#size++;
    const connection = { socket, busy: 0 };
    connections.set(place, connection);
    this.#owners.set(owner, connections);
    socket.once('close', () => {
      if (connections.get(place) === connection) this.#remove(owner, place);
    });
  }

  /** Somebody with a token is answered there, until the function that is returned is called. */
  hold(remote: Remote): () => void {
    const connection = this.#owners.get(ownerOf(remote))?.get(placeOf(remote));
    if (connection === undefined) return () => {};
    connection.busy++;
    return () => {
      connection.busy--;
    };
  }

  destroyAll(): void {
    for (const connections of [...this.#owners.values()]) {
      for (const { socket } of [...connections.values()]) socket.destroy();
    }
  }

  #makeRoom(newcomer: string): void {
    const victim = this.#oldestOfMost(newcomer, true) ?? this.#oldestOfMost(newcomer, false);
    if (victim === null) return;
    const [owner, place, { socket }] = victim;
    this.#remove(owner, place);
    socket.destroy();
    this.#onFull(owner);
  }

  /** With the one that comes. `isIdle`: only those that answer nobody with a token count. */
  #oldestOfMost(
    newcomer: string,
    isIdle: boolean,
  ): [owner: string, place: string, Connection] | null {
    let most = 0;
    let oldest: [string, string, Connection] | null = null;
    for (const [owner, connections] of this.#owners) {
      let count = owner === newcomer ? 1 : 0;
      let first: [string, string, Connection] | null = null;
      for (const [place, connection] of connections) {
        if (isIdle && connection.busy > 0) continue;
        first ??= [owner, place, connection];
        count++;
      }
      if (first === null || count <= most) continue;
      most = count;
      oldest = first;
    }
    return oldest;
  }

  #remove(owner: string, place: string): void {
    const connections = this.#owners.get(owner);
    if (connections?.delete(place) !== true) return;
    this.#size--;
    if (connections.size === 0) this.#owners.delete(owner);
  }
}

function ownerOf({ remoteAddress = '' }: Remote): string {
  return limitKey(normalizeAddress(remoteAddress) ?? remoteAddress);
}

function placeOf({ remoteAddress = '', remotePort = 0 }: Remote): string {
  return `${remoteAddress} ${remotePort}`;
}
