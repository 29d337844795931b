// The listener on `node:net`: TCP, and the files of unix sockets. No Nagle, keep-alive probes on. Whoever comes is admitted
// before anything is made of the connection. Streams are native handles where the runtime has them as we know them (handle.ts),
// and plain sockets elsewhere, or when an entrance (entrance.ts) has more to do: PROXY headers, TLS, WebSocket.
//
// When the process has almost no file descriptors left, accepting stops, so that what else must be opened can be: the address is
// free meanwhile, and is taken again a second later. Nobody would tell us when there are none at all: libuv has a last one put
// aside, with which it accepts and closes whoever comes, and says nothing.

import net from 'node:net';
import { normalizeAddress } from '../lib/address.ts';
import { isNativeHandle, NATIVE_STREAMS, type NativeHandle } from './handle.ts';
import { HandleStream, HandleStreams } from './handle-stream.ts';
import { firstReserved } from './open-files.ts';
import { own, prepareSocketFile, type SocketFile, withMode } from './socket-file.ts';
import { SocketStream } from './socket-stream.ts';
import {
  type BoundAddress,
  type Gate,
  type Listener,
  OPEN_GATE,
  type Peer,
  type Stream,
} from './stream.ts';

/** Node's default of 511 is too few for a fleet that comes back at once. */
const BACKLOG = 4_096;
/** Idle time before the kernel asks whether the peer is still there: for clients without an MQTT keep-alive. */
const PROBE_SECONDS = 300;
/** Accepted sockets have the options of the listening one. */
const INHERITS_OPTIONS = process.platform === 'linux';
/** Until accepting, or an address that somebody else has, is tried again. */
export const RETRY_MS = 1_000;

export interface HostPort {
  /** `''`: all interfaces, IPv4 and IPv6. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** What is done with an admitted socket before it is a stream. */
export interface Entrance {
  /** The address that such a connection is admitted by; `''` if a trusted proxy will tell the client's. */
  admissionAddress(address: string): string;
  /** Takes a paused socket that was admitted. It is the entrance's to release it, unless `accept` gets a stream of it. */
  enter(socket: net.Socket, peer: Peer, accept: (stream: Stream) => void, gate: Gate): void;
  /** Ends those who are not streams yet, and whoever comes later. */
  close(): void;
}

/** A listener at one address, which it can give away for a while. */
export interface PlaceListener extends Listener {
  /** Whether it may get another entrance than null. */
  readonly hasEntrances: boolean;
  /** Another one counts for the next connection. */
  entrance: Entrance | null;
  /** Gives the address away until `unpause`; streams live on. */
  pause(): Promise<void>;
  /** Takes the address of before again; false: somebody else has it now, and it is tried for until it is free. */
  unpause(): Promise<boolean>;
}

export interface NetListenerOptions {
  readonly entrance?: Entrance | null;
  /** false: plain sockets, also where native handles can be had. */
  readonly usesHandles?: boolean;
  /** File descriptors ran out (true), or accepting works again (false). */
  readonly onExhausted?: (isExhausted: boolean) => void;
  /** A connection was reset before it could be accepted: nobody knows any more from where. */
  readonly onReset?: () => void;
}

/** The native side of a net.Server. */
interface NativeServer extends NativeHandle {
  onconnection: (this: unknown, status: number, handle: unknown) => void;
}

const STREAMS = NATIVE_STREAMS === null ? null : new HandleStreams(NATIVE_STREAMS);

function setOptions(handle: NativeHandle): void {
  handle.setNoDelay?.(true);
  handle.setKeepAlive?.(true, PROBE_SECONDS);
}

function peerOf(handle: NativeHandle): Peer {
  const found: { address?: string; port?: number } = {};
  handle.getpeername?.(found);
  return { address: normalizeAddress(found.address ?? '') ?? '', port: found.port ?? 0 };
}

function peerOfSocket({ remoteAddress = '', remotePort = 0 }: net.Socket): Peer {
  return { address: normalizeAddress(remoteAddress) ?? '', port: remotePort };
}

function socketFile(socket: net.Socket): number | undefined {
  return (socket as { readonly _handle?: { readonly fd?: number } })._handle?.fd;
}

function isExhaustion({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EMFILE' || code === 'ENFILE' || code === 'ENOBUFS' || code === 'ENOMEM';
}

export class NetListener implements PlaceListener {
  readonly hasEntrances = true;
  readonly #place: HostPort | SocketFile;
  readonly #transport: string;
  readonly #usesHandles: boolean;
  readonly #onExhausted: (isExhausted: boolean) => void;
  readonly #onReset: () => void;
  entrance: Entrance | null;
  #accept: (stream: Stream) => void = () => {};
  #gate: Gate = OPEN_GATE;
  #server: net.Server | null = null;
  /** While accepting has stopped. */
  #retry: NodeJS.Timeout | null = null;
  #isClosed = false;
  /** A connection with this number of a file is one too many. */
  #firstReserved = Number.POSITIVE_INFINITY;
  #bound: BoundAddress | null = null;
  /** Of whom `net.Server` makes a socket right now. */
  #admitted: Peer | null = null;

  constructor(place: HostPort | SocketFile, options: NetListenerOptions = {}) {
    this.#place = place;
    this.#transport = 'path' in place ? 'unix' : 'tcp';
    this.entrance = options.entrance ?? null;
    this.#usesHandles = options.usesHandles ?? true;
    this.#onExhausted = options.onExhausted ?? (() => {});
    this.#onReset = options.onReset ?? (() => {});
  }

  async listen(accept: (stream: Stream) => void, gate: Gate = OPEN_GATE): Promise<BoundAddress> {
    this.#accept = accept;
    this.#gate = gate;
    this.#bound = await this.#bind(this.#place);
    return this.#bound;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.entrance?.close();
    const server = this.#server;
    this.#server = null;
    // Its callback waits for every connection to end: what counts here is that the address is free, which is at once.
    server?.close();
    return Promise.resolve();
  }

  pause(): Promise<void> {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#retry = null;
    this.#server?.close();
    this.#server = null;
    return Promise.resolve();
  }

  async unpause(): Promise<boolean> {
    try {
      await this.#bind(this.#samePlace());
      return true;
    } catch {
      if (!this.#isClosed) this.#retryLater();
      return false;
    }
  }

  async #bind(place: HostPort | SocketFile): Promise<BoundAddress> {
    const server = net.createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: PROBE_SECONDS * 1_000,
      allowHalfOpen: true,
      pauseOnConnect: true,
      // Who waits for a TLS handshake is read no further than its first bytes. Sockets that flow do not care.
      highWaterMark: 1,
    });
    if ('path' in place) await prepareSocketFile(place);
    if (this.#isClosed) throw new Error('the listener was closed before it listened');
    this.#server = server;
    this.#firstReserved = firstReserved();
    const bound = await new Promise<BoundAddress>((resolve, reject) => {
      server.once('error', (error) => {
        this.#server = null;
        reject(error);
      });
      server.once('close', () => reject(new Error('the listener was closed before it listened')));
      server.once('listening', () => {
        const address = server.address();
        // Nobody may come between the address and its handlers.
        this.#open(server);
        if (typeof address === 'string' || address === null)
          resolve({ host: address ?? '', port: 0 });
        else resolve({ host: address.address, port: address.port });
      });
      if ('path' in place) {
        withMode(place, () => server.listen({ path: place.path, backlog: BACKLOG }));
      } else {
        const { host, port } = place;
        server.listen({ ...(host === '' ? {} : { host }), port, backlog: BACKLOG });
      }
    });
    if ('path' in place) {
      try {
        await own(place);
      } catch (error) {
        server.close();
        throw error;
      }
    }
    return bound;
  }

  #open(server: net.Server): void {
    server.removeAllListeners('error');
    server.removeAllListeners('close');
    server.on('error', (error) => this.#onError(error));
    const admitsEarly = this.#usesHandles && this.#takeHandles(server);
    server.on('connection', (socket) => {
      // Whose reset came meanwhile has no address any more; it must be released by the one that it was admitted by.
      const peer = this.#admitted ?? peerOfSocket(socket);
      this.#admitted = null;
      if (!admitsEarly && (this.#isOneTooMany(socketFile(socket)) || !this.#admit(peer)))
        socket.destroy();
      else if (this.entrance !== null) this.entrance.enter(socket, peer, this.#accept, this.#gate);
      else this.#accept(new SocketStream(socket, this.#transport, peer));
    });
  }

  /** Whether there are hardly any files left for others; then accepting stops. */
  #isOneTooMany(fd = 0): boolean {
    if (fd < this.#firstReserved) return false;
    this.#gate.refuseFor('open-files');
    this.#stopForAWhile();
    return true;
  }

  #admit({ address }: Peer): boolean {
    // Balancers probe so: they connect, and reset. Without an address it would count as one that a proxy has yet to tell.
    if (address === '' && this.#transport === 'tcp') {
      this.#onReset();
      return false;
    }
    const { entrance } = this;
    return this.#gate.admit(entrance === null ? address : entrance.admissionAddress(address));
  }

  /** Admits connections before `net.Server` makes sockets of them, and takes those that need none; false: it cannot be done. */
  #takeHandles(server: net.Server): boolean {
    const native = (server as unknown as { readonly _handle: unknown })._handle;
    if (STREAMS === null || !isNativeHandle(native) || !('onconnection' in native)) return false;
    const streams = STREAMS;
    const { onconnection } = native as NativeServer;
    if (typeof onconnection !== 'function') return false;
    setOptions(native);
    const accept = (handle: NativeHandle): boolean => {
      const peer = peerOf(handle);
      if (this.#isOneTooMany(handle.fd) || !this.#admit(peer)) {
        handle.close(() => {});
        return true;
      }
      if (this.entrance !== null) {
        this.#admitted = peer;
        return false;
      }
      if (!INHERITS_OPTIONS) setOptions(handle);
      this.#accept(new HandleStream(streams, handle, this.#transport, peer));
      return true;
    };
    (native as NativeServer).onconnection = function (this: unknown, status, handle) {
      if (status !== 0 || !isNativeHandle(handle) || !accept(handle)) {
        onconnection.call(this, status, handle);
      }
    };
    return true;
  }

  /** accept() failed. That must not end the process. */
  #onError(error: NodeJS.ErrnoException): void {
    if (isExhaustion(error)) this.#stopForAWhile();
  }

  #stopForAWhile(): void {
    if (this.#server === null || this.#isClosed) return;
    this.#server.close();
    this.#server = null;
    this.#onExhausted(true);
    this.#retryLater();
  }

  /** With the port that the system chose. */
  #samePlace(): HostPort | SocketFile {
    if (this.#bound === null || 'path' in this.#place) return this.#place;
    return { ...this.#place, port: this.#bound.port };
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => void this.#acceptAgain(), RETRY_MS);
    this.#retry.unref();
  }

  async #acceptAgain(): Promise<void> {
    try {
      await this.#bind(this.#samePlace());
    } catch {
      if (!this.#isClosed) this.#retryLater();
      return;
    }
    this.#retry = null;
    if (this.#isClosed) await this.close();
    else this.#onExhausted(false);
  }
}
