// One client on its way in: silent, waiting for a slot, in its handshake, and then handed over or refused. Whatever happens it
// leaves its slot, its timer and its place in the stage's table exactly once (`#over`), and whoever is refused has one line in
// the log that says why, and a reason that is counted.

import type { X509Certificate } from 'node:crypto';
import type net from 'node:net';
import type tls from 'node:tls';
import type { RefusalLog } from '../../core/refusal-log.ts';
import { formatPeer } from '../../lib/address.ts';
import { Timer, type TimerOwner } from '../../lib/timer-wheel.ts';
import type {
  HandshakeDone,
  HandshakeHost,
  HandshakeLimits,
  HandshakeRefusal,
  Objection,
  Peer,
  TlsSetLike,
} from './handshake.ts';
import type { Claimant, Slots } from './slots.ts';
import { describeStranger, isTls, TELLING_BYTES } from './strangers.ts';
import { describeCertificate, describeFailure } from './verdicts.ts';

/** What a newcomer asks of the stage it belongs to. */
export interface Stage {
  readonly host: HandshakeHost;
  readonly limits: HandshakeLimits;
  readonly slots: Slots;
  readonly log: RefusalLog;
  begin(newcomer: Newcomer): TlsSetLike;
  forget(newcomer: Newcomer): void;
}

const Phase = {
  /** Nothing has come yet. */
  Silent: 0,
  /** Its ClientHello is here, a slot is not. */
  Waiting: 1,
  Shaking: 2,
  Over: 3,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** One client on its way in. */
export class Newcomer implements Claimant, TimerOwner {
  readonly socket: net.Socket;
  readonly slotKey: string;
  readonly #stage: Stage;
  readonly #peer: Peer;
  readonly #done: HandshakeDone;
  readonly #timer = new Timer(this);
  #phase: Phase = Phase.Silent;
  #set: TlsSetLike | null = null;
  readonly #onReadable = (): void => this.#firstBytes();
  readonly #onClosed = (): void => this.#closed();

  constructor(stage: Stage, socket: net.Socket, peer: Peer, done: HandshakeDone) {
    this.#stage = stage;
    this.socket = socket;
    this.#peer = peer;
    this.#done = done;
    this.slotKey = stage.host.limitKey(peer.address);
  }

  open(): void {
    const { socket } = this;
    socket.on('error', ignore);
    socket.on('close', this.#onClosed);
    if (socket.destroyed) {
      queueMicrotask(this.#onClosed);
      return;
    }
    const { host, limits } = this.#stage;
    host.wheel.arm(this.#timer, limits.helloTimeoutMs);
    if (socket.readableLength > 0) this.#firstBytes();
    else socket.on('readable', this.#onReadable);
  }

  /** The stage is closed. */
  abandon(): void {
    this.#over();
    this.socket.destroy();
  }

  onTimer(): void {
    const { host, limits } = this.#stage;
    if (this.#phase === Phase.Silent) {
      host.logger.debug(this.#fields(), 'a TLS connection was closed that had sent nothing');
      this.#refuse('hello-timeout');
    } else if (this.#phase === Phase.Waiting) {
      this.#logCrowd();
      this.#refuse('handshake-wait');
    } else {
      this.#logRefusal(
        { timeoutMs: limits.timeoutMs },
        'the client did not finish its TLS handshake in time',
      );
      this.#refuse('handshake-timeout');
    }
  }

  onSlot(): void {
    const { host, limits } = this.#stage;
    this.#phase = Phase.Shaking;
    host.wheel.arm(this.#timer, limits.timeoutMs);
    // A client that ends its side now has given up; afterwards it may.
    this.socket.allowHalfOpen = false;
    this.#set = this.#stage.begin(this);
  }

  onCrowdedOut(): void {
    this.#logCrowd();
    this.#refuse('handshake-queue');
  }

  /** The handshake succeeded; whether the client may stay is another matter. */
  onSecure(socket: tls.TLSSocket): void {
    const set = this.#set;
    if (this.#phase !== Phase.Shaking || set === null) {
      socket.destroy();
      return;
    }
    let certificateDer: Buffer | null = null;
    if (set.options.clientCertificate !== 'none') {
      const certificate = socket.getPeerX509Certificate();
      const objection = this.#objectionTo(socket, certificate, set);
      if (objection !== null) {
        this.#logRefusal(certificateFields(objection.code, certificate), objection.sentence);
        this.#refuse('client-certificate');
        return;
      }
      certificateDer = certificate?.raw ?? null;
    }
    this.#over();
    // A renegotiation could change the certificate behind our back.
    socket.disableRenegotiation();
    socket.allowHalfOpen = true;
    // Node says false where the types say null.
    const { servername } = socket as { readonly servername?: string | false | null };
    this.#done(socket, certificateDer, servername || null);
  }

  onError(error: Error): void {
    if (this.#phase !== Phase.Shaking) return;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    this.#logRefusal({ code }, describeFailure(code));
    this.#over();
    this.#stage.host.onRefused('handshake-failed', this.#peer.address);
  }

  /** What speaks against the client's certificate. Without one there is no identity, whatever Node says of the client. */
  #objectionTo(
    socket: tls.TLSSocket,
    certificate: X509Certificate | undefined,
    set: TlsSetLike,
  ): Objection | null {
    const { host } = this.#stage;
    const { current } = host.material;
    if (!set.ticketKeys.equals(current.ticketKeys))
      return { code: 'TRUST_CHANGED', sentence: TRUST_CHANGED };
    if (certificate === undefined) {
      // Node calls a client authorized that resumes a session of TLS 1.3 in which it had shown no certificate.
      if (set.options.clientCertificate === 'optional') return null;
      return { code: 'NO_CERTIFICATE', sentence: NO_CERTIFICATE };
    }
    let code: string | null = null;
    // The types say Error, Node gives the code.
    if (!socket.authorized) code = String(socket.authorizationError ?? 'UNSPECIFIED');
    // What follows, OpenSSL has checked for a new session; a resumed one has the verdict of its first day.
    else if (current.isRevoked(certificate)) code = 'CERT_REVOKED';
    else if (Date.parse(certificate.validTo) < host.clock.wallNow()) code = 'CERT_HAS_EXPIRED';
    if (code !== null) return { code, sentence: describeCertificate(code) };
    return host.objectionTo?.(certificate.raw) ?? null;
  }

  #firstBytes(): void {
    const { socket } = this;
    socket.off('readable', this.#onReadable);
    // One byte: to read all there is would make the socket read on.
    const first: Buffer | null = socket.read(1);
    if (first === null) {
      this.#closedBeforeFirstByte();
      socket.destroy();
    } else if (isTls(first[0] ?? 0)) {
      socket.unshift(first);
      const { host, limits, slots } = this.#stage;
      this.#phase = Phase.Waiting;
      host.wheel.arm(this.#timer, limits.timeoutMs);
      slots.claim(this);
    } else {
      const more: Buffer | null = socket.read(Math.min(socket.readableLength, TELLING_BYTES - 1));
      const bytes = more === null ? first : Buffer.concat([first, more]);
      this.#logRefusal({ firstBytes: bytes.toString('hex') }, describeStranger(bytes));
      this.#over();
      this.#stage.host.onRefused('not-tls', this.#peer.address);
      socket.destroy();
    }
  }

  /** The socket is gone before anybody refused it. */
  #closed(): void {
    if (this.#phase === Phase.Over) return;
    if (this.#phase === Phase.Silent) {
      this.#closedBeforeFirstByte();
      return;
    }
    if (this.#phase === Phase.Waiting) {
      this.#stage.host.logger.debug(this.#fields(), 'the client gave up waiting for its handshake');
      this.#over();
      return;
    }
    this.onError(Object.assign(new Error('closed'), { code: 'ECONNRESET' }));
  }

  /** A health probe, mostly: no failure. */
  #closedBeforeFirstByte(): void {
    this.#stage.host.logger.debug(this.#fields(), 'connection closed before its first byte');
    this.#over();
  }

  #refuse(reason: HandshakeRefusal): void {
    this.#over();
    reset(this.socket);
    this.#stage.host.onRefused(reason, this.#peer.address);
  }

  /** Takes the hands off the socket. */
  #over(): void {
    if (this.#phase === Phase.Over) return;
    this.#phase = Phase.Over;
    const { host, slots } = this.#stage;
    host.wheel.cancel(this.#timer);
    this.socket.off('readable', this.#onReadable);
    this.socket.off('close', this.#onClosed);
    this.#stage.forget(this);
    slots.leave(this);
  }

  #logRefusal(fields: object, sentence: string): void {
    this.#stage.log.info(this.slotKey, { ...this.#fields(), ...fields }, sentence);
  }

  /** One line for all: who it was is chance. */
  #logCrowd(): void {
    const { limits, log, slots } = this.#stage;
    const { handshakesMax, waitingMax } = limits;
    const fields = { handshakesMax, waitingMax, active: slots.held, waiting: slots.waiting };
    log.info('', fields, 'more clients want to handshake than the TLS listener can serve in time');
  }

  #fields(): { remote: string } {
    return { remote: formatPeer(this.#peer.address, this.#peer.port) };
  }
}

const NO_CERTIFICATE =
  'the client sent no certificate: give it one, or set client_certificate = "optional"';
const TRUST_CHANGED =
  'the trusted CAs or CRLs changed during the handshake: the client may come again';
/** Of a subject, in a log line. */
const SUBJECT_CHARS_MAX = 256;

function certificateFields(code: string, certificate: X509Certificate | undefined): object {
  if (certificate === undefined) return { code };
  const subject = certificate.subject.replaceAll('\n', ', ').slice(0, SUBJECT_CHARS_MAX);
  return { code, subject, serialNumber: certificate.serialNumber };
}

/** The socket's errors are told by what becomes of the handshake. */
function ignore(): void {}

/** Costs the kernel nothing afterwards, unlike a polite end. Only TCP can be reset. */
function reset(socket: net.Socket): void {
  if (socket.remotePort === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
