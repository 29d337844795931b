// From a connected socket to a TLS socket whose client is who its certificate says. Whoever comes is looked at first: one who
// says nothing holds no slot, one who does not speak TLS is told so in the log, and the others handshake a few at a time
// (slots.ts). No byte of a client is handed on before its certificate counts.
//
// The handshake itself is done by a tls.Server that never listens: that is the public way to take a socket that is connected
// already, and to learn the verdict on a certificate. There is one for each set of certificates, so a reload changes everything
// at once (certificates, names, CAs, CRLs, ALPN, ticket keys), and handshakes that are under way end by what they began with.
//
// ALPN: a client that offers none is accepted; one that offers only protocols not spoken here gets the alert
// no_application_protocol (RFC 7301 §3.2), so that a browser on an MQTT port learns of its mistake at once.

import type { X509Certificate } from 'node:crypto';
import type net from 'node:net';
import tls from 'node:tls';
import type { Logger } from '../../core/logger.ts';
import { RefusalLog } from '../../core/refusal-log.ts';
import type { Clock } from '../../lib/clock.ts';
import type { TimerWheel } from '../../lib/timer-wheel.ts';
import { Newcomer, type Stage } from './newcomer.ts';
import { socketBelow, useContext } from './node-internals.ts';
import { Slots } from './slots.ts';

/** What handshakes are done with. Its contexts carry `ticketKeys` and a `sessionIdContext`, and prefer the server's ciphers. */
export interface TlsSetLike {
  /** The certificate for a name that the client asks for, or the one for everybody else. */
  contextFor(serverName: string | undefined): tls.SecureContext;
  /** Others after the trusted CAs or the CRLs have changed: what was verified before is verified again. */
  readonly ticketKeys: Buffer;
  readonly options: {
    readonly clientCertificate: 'none' | 'optional' | 'required';
    /** Protocols for ALPN, the preferred first; none: whatever the client offers is ignored. */
    readonly alpn: readonly string[];
  };
  isRevoked(certificate: X509Certificate): boolean;
}

export interface HandshakeLimits {
  /** Handshakes that go on at the same time; one address holds a quarter of them at most. */
  readonly handshakesMax: number;
  /** Clients that wait for a slot; beyond that one is reset for each that comes. */
  readonly waitingMax: number;
  /** For a handshake, and before that for the wait. */
  readonly timeoutMs: number;
  /** From the connection to its first byte. */
  readonly helloTimeoutMs: number;
}

export const DEFAULT_HANDSHAKE_LIMITS: HandshakeLimits = {
  handshakesMax: 64,
  waitingMax: 1_024,
  timeoutMs: 10_000,
  helloTimeoutMs: 10_000,
};

/** Why somebody was refused, for counting. */
export type HandshakeRefusal =
  | 'hello-timeout'
  | 'not-tls'
  | 'handshake-queue'
  | 'handshake-wait'
  | 'handshake-timeout'
  | 'handshake-failed'
  | 'client-certificate';

/** What speaks against a certificate: a code to search for, and a sentence for the log. */
export interface Objection {
  readonly code: string;
  readonly sentence: string;
}

/** What the stage needs from those around it. */
export interface HandshakeHost {
  readonly material: { readonly current: TlsSetLike };
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly logger: Logger;
  /** What limits count as one address: an IPv6 address counts as its /64. */
  readonly limitKey: (address: string) => string;
  readonly onRefused: (reason: HandshakeRefusal, address: string) => void;
  /** What speaks against a certificate that verifies; null: nothing. */
  readonly objectionTo?: (certificateDer: Buffer) => Objection | null;
}

/** Where the client is, behind proxies too. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

/** The certificate is verified, or there is none; both names are the client's own words. */
export type HandshakeDone = (
  socket: tls.TLSSocket,
  certificateDer: Buffer | null,
  serverName: string | null,
) => void;

export class TlsHandshakes {
  readonly #stage: Stage;
  /** Under way, by the socket below. */
  readonly #newcomers = new Map<net.Socket, Newcomer>();
  #set: TlsSetLike | null = null;
  #server: tls.Server | null = null;
  #isClosed = false;

  constructor(limits: HandshakeLimits, host: HandshakeHost) {
    const { handshakesMax, waitingMax } = limits;
    const perAddressMax = Math.max(1, Math.floor(handshakesMax / 4));
    this.#stage = {
      host,
      limits,
      slots: new Slots(handshakesMax, perAddressMax, waitingMax),
      log: new RefusalLog(host.logger, host.wheel),
      begin: (newcomer) => this.#begin(newcomer),
      forget: (newcomer) => this.#newcomers.delete(newcomer.socket),
    };
  }

  /** Handshakes that go on. */
  get active(): number {
    return this.#stage.slots.held;
  }

  /** Clients whose ClientHello waits for a slot. */
  get waiting(): number {
    return this.#stage.slots.waiting;
  }

  /** All that are not done: also those who have said nothing yet. */
  get pending(): number {
    return this.#newcomers.size;
  }

  /**
   * Takes a connected socket that nobody reads; bytes read from it already may be unshifted. It is the stage's from now on, and
   * `done` is called at most once, later, from the turn in which the handshake ended: the TLS socket does not flow until its
   * owner reads, and may stay half open. To keep a waiting client to its first bytes, its socket is made with
   * `highWaterMark: 1`; with Node's own mark it may send as much as that before it is read no more.
   */
  take(socket: net.Socket, peer: Peer, done: HandshakeDone): void {
    if (this.#isClosed) {
      socket.destroy();
      return;
    }
    const newcomer = new Newcomer(this.#stage, socket, peer, done);
    this.#newcomers.set(socket, newcomer);
    newcomer.open();
  }

  /** Ends all that are not done, and whoever comes later. */
  close(): void {
    this.#isClosed = true;
    // The last first: who waits is gone before a slot comes free.
    for (const newcomer of [...this.#newcomers.values()].reverse()) newcomer.abandon();
    this.#stage.log.close();
  }

  #begin(newcomer: Newcomer): TlsSetLike {
    const set = this.#stage.host.material.current;
    if (this.#server === null || this.#set !== set) {
      this.#server = this.#serverFor(set);
      this.#set = set;
    }
    this.#server.emit('connection', newcomer.socket);
    return set;
  }

  #serverFor(set: TlsSetLike): tls.Server {
    const { alpn, clientCertificate } = set.options;
    const server = tls.createServer({
      SNICallback: (serverName, callback) => {
        try {
          callback(null, set.contextFor(serverName));
        } catch (error) {
          callback(error instanceof Error ? error : new Error(String(error)));
        }
      },
      ...(alpn.length > 0 ? { ALPNProtocols: [...alpn] } : {}),
      requestCert: clientCertificate !== 'none',
      // Else OpenSSL's verdict would be lost: Node ends the connection as if the client had reset it.
      rejectUnauthorized: false,
    });
    useContext(server, set.contextFor(undefined));
    server.on('secureConnection', (socket: tls.TLSSocket) => this.#find(socket)?.onSecure(socket));
    server.on('tlsClientError', (error: Error, socket: tls.TLSSocket) => {
      this.#find(socket)?.onError(error);
      socket.destroy();
    });
    return server;
  }

  /** Null: its handshake is over already. A socket that nobody knows must not live on. */
  #find(socket: tls.TLSSocket): Newcomer | null {
    const below = socketBelow(socket);
    const newcomer = below === undefined ? undefined : this.#newcomers.get(below);
    if (newcomer !== undefined) return newcomer;
    socket.destroy();
    return null;
  }
}
