// What a listener with TLS has: its certificates, which it watches; its handshakes; and who a client is by the certificate that
// it showed.

import { X509Certificate } from 'node:crypto';
import type net from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../../core/logger.ts';
import { limitKey } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { TimerWheel } from '../../lib/timer-wheel.ts';
import type { ListenerTlsOptions } from '../listener-options.ts';
import type { ClientCertificate, Peer } from '../stream.ts';
import { identityOf, readClientCertificate } from './client-certificate.ts';
import { DEFAULT_HANDSHAKE_LIMITS, type Objection, TlsHandshakes } from './handshake.ts';
import type { TlsOptions } from './options.ts';
import { TlsMaterial } from './reload.ts';
import type { TlsSet } from './set.ts';
import type { TlsAlarms } from './tls-alarms.ts';

export interface TlsDoorHost {
  /** Its URL, for the log. */
  readonly listener: string;
  readonly clock: Clock;
  readonly wheel: TimerWheel;
  readonly logger: Logger;
  readonly alarms: TlsAlarms;
  readonly onRefused: (reason: string) => void;
  readonly onTrustChanged: () => void;
}

/** What counts now, for those who came while something else did. */
export interface Trust {
  material: TlsMaterial | null;
}

export const TLS_DEFAULTS: Omit<TlsOptions, 'cert' | 'key'> = {
  minVersion: 'TLSv1.2',
  clientCertificate: 'none',
  identity: 'none',
  identityAs: 'username',
  sni: [],
  alpn: [],
  endsRevoked: true,
};

export class TlsDoor {
  readonly #material: TlsMaterial;
  readonly #handshakes: TlsHandshakes;
  readonly #trust: Trust;
  readonly #host: TlsDoorHost;

  private constructor(
    material: TlsMaterial,
    handshakes: TlsHandshakes,
    trust: Trust,
    host: TlsDoorHost,
  ) {
    this.#material = material;
    this.#handshakes = handshakes;
    this.#trust = trust;
    this.#host = host;
  }

  /** Reads the certificates; rejects with TlsMaterialError when they cannot be used. `trust` gets them by `begin`. */
  static async open(
    options: ListenerTlsOptions,
    trust: Trust,
    host: TlsDoorHost,
  ): Promise<TlsDoor> {
    const { handshakes, expiryWarningDays, ...rest } = options;
    const { listener, clock, wheel, logger, alarms, onRefused } = host;
    const material = new TlsMaterial({
      listener,
      tls: { ...TLS_DEFAULTS, ...rest },
      clock,
      logger,
      alarms,
      expiryWarningDays,
    });
    await material.start();
    const stage = new TlsHandshakes(
      { ...DEFAULT_HANDSHAKE_LIMITS, ...handshakes },
      { material, clock, wheel, logger, limitKey, onRefused, objectionTo: objectionBy(material) },
    );
    return new TlsDoor(material, stage, trust, host);
  }

  /** From now on its certificates count, also for those who are connected. */
  begin(): void {
    this.#trust.material = this.#material;
    this.#material.onSwap = (_set, trustChanged) => {
      if (trustChanged) this.#host.onTrustChanged();
    };
  }

  take(
    socket: net.Socket,
    peer: Peer,
    done: (encrypted: TLSSocket, certificate: ClientCertificate | null) => void,
  ): void {
    this.#handshakes.take(socket, peer, (encrypted, certificateDer) => {
      done(encrypted, certificateDer === null ? null : this.#certificateOf(certificateDer));
    });
  }

  /** When the first of its certificates ends; milliseconds of the wall clock. */
  get certificateEndsMs(): number {
    return this.#material.certificateEndsMs;
  }

  /** Days until the first of its certificates ends. */
  get certificateLeftDays(): number {
    return this.#material.certificateLeftDays;
  }

  /** Days until the first revocation list is too old; null if there is none that says when. */
  get crlLeftDays(): number | null {
    return this.#material.crlLeftDays;
  }

  reload(): Promise<boolean> {
    return this.#material.reload();
  }

  /** Another one takes its place: files are not watched any more, handshakes that go on may end. */
  retire(): void {
    this.#material.close();
  }

  /** Ends handshakes that go on, too. */
  close(): void {
    this.#material.close();
    this.#handshakes.close();
  }

  #certificateOf(der: Buffer): ClientCertificate {
    const { identity, identityAs } = this.#material.current.options;
    const certificate = readClientCertificate(der);
    const name = identityOf(certificate, identity);
    return new ShownCertificate(
      certificate.subject,
      identityAs === 'username' ? name : null,
      identityAs === 'client-id' ? name : null,
      certificate.notAfter.getTime(),
      certificate.serialNumber,
      der,
      this.#trust,
      this.#host.clock,
    );
  }
}

/**
 * Who must say who he is by a certificate may not say it in CONNECT instead: a certificate without such a name is refused, as is
 * one that OpenSSL reads and we do not.
 */
function objectionBy(material: TlsMaterial): (der: Buffer) => Objection | null {
  return (der) => {
    const { identity } = material.current.options;
    try {
      const name = identityOf(readClientCertificate(der), identity);
      if (name !== null || identity === 'none') return null;
    } catch {
      const sentence =
        'the client certificate is refused, its fields cannot be read: issue a new one';
      return { code: 'UNREADABLE', sentence };
    }
    const sentence = `the client certificate is refused, it has no name that identity = "${identity}" asks for: issue one that has it`;
    return { code: 'NO_IDENTITY', sentence };
  };
}

/** The certificate of a client that was let in. */
class ShownCertificate implements ClientCertificate {
  readonly subject: string;
  readonly username: string | null;
  readonly clientId: string | null;
  readonly #notAfterMs: number;
  readonly #serialNumber: string;
  readonly #der: Buffer;
  readonly #trust: Trust;
  readonly #clock: Clock;
  /** By its lists the certificate counts: they need not be asked again. */
  #passed: TlsSet | null = null;

  constructor(
    subject: string,
    username: string | null,
    clientId: string | null,
    notAfterMs: number,
    serialNumber: string,
    der: Buffer,
    trust: Trust,
    clock: Clock,
  ) {
    this.subject = subject;
    this.username = username;
    this.clientId = clientId;
    this.#notAfterMs = notAfterMs;
    this.#serialNumber = serialNumber;
    this.#der = der;
    this.#trust = trust;
    this.#clock = clock;
  }

  objection(): string | null {
    const set = this.#trust.material?.current ?? null;
    if (set === null || !set.options.endsRevoked) return null;
    if (this.#notAfterMs < this.#clock.wallNow()) return 'its certificate has expired';
    if (set === this.#passed) return null;
    // To parse a certificate takes a tenth of a millisecond, and there may be thousands.
    if (set.mayBeRevoked(this.#serialNumber) && set.isRevoked(new X509Certificate(this.#der))) {
      return 'its certificate was revoked';
    }
    this.#passed = set;
    return null;
  }
}
