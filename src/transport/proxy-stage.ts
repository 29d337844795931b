// Reads the PROXY header that a balancer puts in front of a connection. It counts only from a trusted source; who comes from
// elsewhere, or brings none, or a wrong one, or takes too long, is closed: its address would be whatever it says.

import type net from 'node:net';
import type { Logger } from '../core/logger.ts';
import { RefusalLog } from '../core/refusal-log.ts';
import { type AddressRanges, formatPeer, limitKey } from '../lib/address.ts';
import { Timer, type TimerOwner, type TimerWheel } from '../lib/timer-wheel.ts';
import { PROXY_HEADER_BYTES_MAX, type ProxyHeader } from './proxy-header.ts';
import { readProxyHeader } from './proxy-protocol.ts';
import type { Peer } from './stream.ts';

export interface ProxyOptions {
  /** Where balancers are. */
  readonly trusted: AddressRanges;
  /** For the whole header. */
  readonly timeoutMs: number;
  /** Whether the common name of a certificate that the balancer verified is the user name. */
  readonly usesCertificateName: boolean;
}

export type ProxyRefusal = 'untrusted-proxy' | 'proxy-header' | 'proxy-timeout';

export interface ProxyHost {
  readonly wheel: TimerWheel;
  readonly logger: Logger;
  readonly onRefused: (reason: ProxyRefusal) => void;
}

export class ProxyStage {
  readonly #options: ProxyOptions;
  readonly #host: ProxyHost;
  readonly #log: RefusalLog;
  readonly #readers = new Set<HeaderReader>();
  #isClosed = false;

  constructor(options: ProxyOptions, host: ProxyHost) {
    this.#options = options;
    this.#host = host;
    this.#log = new RefusalLog(host.logger, host.wheel);
  }

  /** Takes a paused socket; calls `done` at most once, with the socket paused and what follows the header unread in it. */
  take(socket: net.Socket, peer: Peer, done: (header: ProxyHeader) => void): void {
    const onDone = (header: ProxyHeader | null): void => {
      this.#readers.delete(reader);
      if (header === null) socket.destroy();
      else done(header);
    };
    const reader = new HeaderReader(this.#options, this.#host, this.#log, socket, peer, onDone);
    this.#readers.add(reader);
    if (this.#isClosed) reader.abandon();
    else reader.open();
  }

  /** Ends all that are not done, and whoever comes later. */
  close(): void {
    this.#isClosed = true;
    for (const reader of [...this.#readers]) reader.abandon();
    this.#log.close();
  }
}

class HeaderReader implements TimerOwner {
  readonly #options: ProxyOptions;
  readonly #host: ProxyHost;
  readonly #log: RefusalLog;
  readonly #socket: net.Socket;
  readonly #peer: Peer;
  /** null: there is none. */
  readonly #done: (header: ProxyHeader | null) => void;
  readonly #timer = new Timer(this);
  #bytes: Buffer = Buffer.alloc(0);
  readonly #onReadable = (): void => this.#read();
  readonly #onClosed = (): void => this.#closed();
  readonly #onEnd = (): void => void this.#socket.destroy();

  constructor(
    options: ProxyOptions,
    host: ProxyHost,
    log: RefusalLog,
    socket: net.Socket,
    peer: Peer,
    done: (header: ProxyHeader | null) => void,
  ) {
    this.#options = options;
    this.#host = host;
    this.#log = log;
    this.#socket = socket;
    this.#peer = peer;
    this.#done = done;
  }

  open(): void {
    const { trusted, timeoutMs } = this.#options;
    this.#socket.on('error', ignore);
    if (!trusted.has(this.#peer.address)) {
      this.#refuse(
        'untrusted-proxy',
        'a connection to a listener with proxy_protocol did not come from one of its trusted_proxies',
      );
      return;
    }
    this.#socket.on('close', this.#onClosed);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('readable', this.#onReadable);
    this.#host.wheel.arm(this.#timer, timeoutMs);
  }

  abandon(): void {
    this.#letGo();
    this.#done(null);
  }

  onTimer(): void {
    this.#refuse('proxy-timeout', 'no PROXY header came in time');
  }

  #read(): void {
    const more = this.#socket.read() as Buffer | null;
    if (more === null) return;
    this.#bytes = this.#bytes.length === 0 ? more : Buffer.concat([this.#bytes, more]);
    const header = readProxyHeader(this.#bytes, this.#bytes.length);
    if (header.kind === 'invalid') this.#refuse('proxy-header', header.why);
    else if (header.kind === 'header') this.#finish(header);
    else if (this.#bytes.length > PROXY_HEADER_BYTES_MAX) {
      this.#refuse(
        'proxy-header',
        `the PROXY header is longer than ${PROXY_HEADER_BYTES_MAX} bytes`,
      );
    }
  }

  #finish(header: ProxyHeader): void {
    this.#letGo();
    // Removing the listener has made the socket want to flow again.
    this.#socket.pause();
    const rest = this.#bytes.subarray(header.bytes);
    if (rest.length > 0) this.#socket.unshift(rest);
    this.#done(header);
  }

  #refuse(reason: ProxyRefusal, why: string): void {
    const { address, port } = this.#peer;
    this.#letGo();
    const fields = { remote: formatPeer(address, port), reason };
    this.#log.info(limitKey(address), fields, `a connection was closed: ${why}`);
    this.#host.onRefused(reason);
    this.#done(null);
  }

  /** A health probe of the balancer, mostly. */
  #closed(): void {
    this.#letGo();
    const { address, port } = this.#peer;
    this.#host.logger.debug(
      { remote: formatPeer(address, port), bytesReceived: this.#bytes.length },
      'connection closed before its PROXY header',
    );
    this.#done(null);
  }

  #letGo(): void {
    this.#host.wheel.cancel(this.#timer);
    this.#socket.off('readable', this.#onReadable);
    this.#socket.off('close', this.#onClosed);
    this.#socket.off('end', this.#onEnd);
  }
}

function ignore(): void {}
