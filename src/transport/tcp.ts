// The listener for TCP. No Nagle, keep-alive probes on. Streams are native handles where the runtime has them as we know them
// (handle.ts), plain sockets elsewhere.

import net from 'node:net';
import { isNativeHandle, NATIVE_STREAMS, type NativeHandle } from './handle.ts';
import { HandleStream, HandleStreams } from './handle-stream.ts';
import { SocketStream } from './socket-stream.ts';
import type { Listener, Stream } from './stream.ts';

/** Node's default of 511 is too few for a fleet that comes back at once. */
const BACKLOG = 4_096;
/** Idle time before the kernel asks whether the peer is still there: for clients without an MQTT keep-alive. */
const PROBE_SECONDS = 300;
/** Accepted sockets have the options of the listening one. */
const INHERITS_OPTIONS = process.platform === 'linux';

/** The native side of a net.Server. */
interface NativeServer extends NativeHandle {
  onconnection: (this: unknown, status: number, handle: unknown) => void;
}

const STREAMS = NATIVE_STREAMS === null ? null : new HandleStreams(NATIVE_STREAMS);

function setOptions(handle: NativeHandle): void {
  handle.setNoDelay?.(true);
  handle.setKeepAlive?.(true, PROBE_SECONDS);
}

/** Takes accepted connections before `net.Server` makes sockets of them, where that can be done. */
function takeHandles(server: net.Server, accept: (stream: Stream) => void): void {
  const native = (server as unknown as { readonly _handle: unknown })._handle;
  if (STREAMS === null || !isNativeHandle(native) || !('onconnection' in native)) return;
  const streams = STREAMS;
  const { onconnection } = native as NativeServer;
  if (typeof onconnection !== 'function') return;
  setOptions(native);
  (native as NativeServer).onconnection = function (this: unknown, status, handle) {
    if (status !== 0 || !isNativeHandle(handle)) {
      onconnection.call(this, status, handle);
      return;
    }
    if (!INHERITS_OPTIONS) setOptions(handle);
    accept(new HandleStream(streams, handle, 'tcp'));
  };
}

export class TcpListener implements Listener {
  readonly #host: string;
  readonly #port: number;
  readonly #usesHandles: boolean;
  #server: net.Server | null = null;

  /** `usesHandles` false: plain sockets, also where native handles can be had. */
  constructor(host: string, port: number, usesHandles = true) {
    this.#host = host;
    this.#port = port;
    this.#usesHandles = usesHandles;
  }

  listen(accept: (stream: Stream) => void): Promise<{ host: string; port: number }> {
    const server = net.createServer(
      {
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: PROBE_SECONDS * 1_000,
        allowHalfOpen: true,
      },
      (socket) => accept(new SocketStream(socket, 'tcp')),
    );
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.once('error', (error) => {
        this.#server = null;
        reject(error);
      });
      server.once('close', () => reject(new Error('the listener was closed before it listened')));
      server.listen({ host: this.#host, port: this.#port, backlog: BACKLOG }, () => {
        server.removeAllListeners('error');
        server.removeAllListeners('close');
        // An error of accept() (no file descriptors left) must not end the process.
        server.on('error', () => {});
        if (this.#usesHandles) takeHandles(server, accept);
        const address = server.address() as net.AddressInfo;
        resolve({ host: address.address, port: address.port });
      });
    });
  }

  close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return Promise.resolve();
    // Its callback waits for every connection to end: what counts here is that the address is free, which is at once.
    server.close();
    return Promise.resolve();
  }
}
