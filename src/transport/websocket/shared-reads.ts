// After the upgrade a socket can read like one that was made for it: into one buffer for all, so that no buffer is allocated
// for each read and the bytes are where the processor has them at hand. Only the constructor of net.Socket takes such a
// buffer, and HTTP needs the socket as it was; so a new one is made around the same connection.

import net from 'node:net';

const READ_BYTES = 65_536;

interface NativeSocket {
  reading: boolean;
  readStop(): number;
}

/** Moves connections to sockets that share one buffer, where the runtime can do that. */
export class SharedReads {
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly #isPossible = process.versions.bun === undefined && process.platform !== 'win32';

  /**
   * A socket around the connection of `socket`, which is over; who listens for its `close` is called when the connection
   * closes. It reads nothing before `read(0)`; `onRead` gets `buffer[0..length)`. null: this one stays as it is.
   */
  move(
    socket: net.Socket,
    onRead: (length: number, buffer: Uint8Array) => void,
  ): net.Socket | null {
    const owner = socket as unknown as { _handle: Partial<NativeSocket> | null };
    const handle = owner._handle;
    // TLS has a handle of another kind, whose socket must stay; so must one that has bytes or writes of its own.
    if (!this.#isPossible || socket.constructor !== net.Socket || handle === null) return null;
    if (typeof handle.readStop !== 'function' || socket.destroyed || !socket.writable) return null;
    if (socket.readableLength > 0 || socket.writableLength > 0) return null;
    handle.readStop();
    handle.reading = false;
    owner._handle = null;
    const buffer = this.#buffer;
    const moved = new net.Socket({
      handle,
      allowHalfOpen: true,
      manualStart: true,
      onread: {
        buffer,
        callback: (length: number) => {
          onRead(length, buffer);
          return true;
        },
      },
    } as net.SocketConstructorOpts);
    // Whoever accepted the connection waits for its end at the socket that it knows.
    for (const listener of socket.listeners('close')) moved.on('close', listener as () => void);
    socket.removeAllListeners('close');
    socket.destroy();
    return moved;
  }
}
