// Everything that a TLS listener shows and believes, at one moment: read from its files, checked as a whole, and never changed.
// A reload makes a new set; connections that began with the old one are not touched.

import { randomBytes, type X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { domainToASCII } from 'node:url';
import { readServerCertificate, type ServerCertificate } from './certificate-files.ts';
import { Findings, type TlsFinding, TlsMaterialError } from './findings.ts';
import type { CertificateFiles, TlsOptions } from './options.ts';
import { readTrust, Trust } from './trust.ts';

/** When a certificate of the server's chains ends; a root's does not matter. */
export interface CertificateExpiry {
  readonly file: string;
  readonly subject: string;
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface CrlState {
  readonly file: string;
  readonly issuer: string;
  readonly thisUpdate: Date;
  /** Null if the list does not say. */
  readonly nextUpdate: Date | null;
  readonly revokedSerials: ReadonlySet<string>;
}

const TICKET_KEY_BYTES = 48;
const HOST = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;
/** OpenSSL's limit for what tells sessions of different origin apart. */
const SESSION_CONTEXT_LENGTH = 32;

export class TlsSet {
  readonly options: TlsOptions;
  /** For clients that name no host, or none that we have a certificate for. */
  readonly secureContext: tls.SecureContext;
  /**
   * What session tickets are sealed with. A reload keeps them, so that clients resume; not if it changed whom we believe, since
   * a ticket would let in again whose certificate was revoked meanwhile.
   */
  readonly ticketKeys: Buffer;
  readonly expiries: readonly CertificateExpiry[];
  readonly crls: readonly CrlState[];
  /** What is odd about the files but no reason not to use them. */
  readonly warnings: readonly TlsFinding[];
  /** Of all files: two sets of the same content are the same. */
  readonly digest: string;
  /** Of the authorities, their lists, and who must show a certificate. */
  readonly trustDigest: string;
  readonly #byHost: ReadonlyMap<string, tls.SecureContext>;
  readonly #trust: Trust;

  private constructor(options: TlsOptions, parts: Parts) {
    this.options = options;
    this.secureContext = parts.contexts.standard;
    this.#byHost = parts.contexts.byHost;
    this.ticketKeys = parts.ticketKeys;
    this.expiries = parts.certificates.flatMap(expiriesOf);
    this.crls = parts.trust.crls.map(({ file, crl }) => ({
      file,
      issuer: crl.issuer,
      thisUpdate: crl.thisUpdate,
      nextUpdate: crl.nextUpdate,
      revokedSerials: crl.revokedSerials,
    }));
    this.warnings = parts.warnings;
    this.digest = parts.digest;
    this.trustDigest = parts.trustDigest;
    this.#trust = parts.trust;
  }

  /** All files that a set is made of. */
  static files(options: TlsOptions): string[] {
    const files = [options, ...options.sni].flatMap(({ cert, key }) => [cert, key]);
    if (options.ca !== undefined) files.push(options.ca);
    if (options.crl !== undefined) files.push(options.crl);
    return [...new Set(files)];
  }

  /**
   * Reads and checks all files. `previous` is the set that this one follows: its ticket keys are kept if the authorities and
   * their lists are the same. Throws TlsMaterialError with every problem.
   */
  static async load(
    options: TlsOptions,
    previous: TlsSet | null = null,
    nowMs: number = Date.now(),
  ): Promise<TlsSet> {
    const findings = new Findings();
    const trust = await loadTrust(options, nowMs, findings);
    const served = await loadCertificates(options, nowMs, findings);
    if (findings.problems.length > 0) throw new TlsMaterialError(findings.problems);
    const trustFiles = [options.ca ?? '', options.crl ?? ''];
    const trustDigest = findings.digest(trustFiles, options.clientCertificate);
    const isSameTrust = previous?.trustDigest === trustDigest;
    const ticketKeys = isSameTrust ? previous.ticketKeys : randomBytes(TICKET_KEY_BYTES);
    const contexts = makeContexts(served, findings, {
      ...common(options, trust),
      ticketKeys,
      sessionIdContext: trustDigest.slice(0, SESSION_CONTEXT_LENGTH),
    });
    if (contexts === null) throw new TlsMaterialError(findings.problems);
    return new TlsSet(options, {
      contexts,
      ticketKeys,
      trust,
      certificates: served.map(({ certificate }) => certificate),
      warnings: findings.warnings,
      digest: findings.digest(findings.files),
      trustDigest,
    });
  }

  /** By the name that a client asks for (SNI, RFC 6066 §3): exactly, then by its wildcard, else the default. */
  contextFor(serverName: string | undefined): tls.SecureContext {
    if (serverName === undefined || this.#byHost.size === 0) return this.secureContext;
    const host = serverName.toLowerCase().replace(/\.$/, '');
    const exact = this.#byHost.get(host);
    if (exact !== undefined) return exact;
    const dot = host.indexOf('.');
    const wildcard = dot > 0 ? this.#byHost.get(`*${host.slice(dot)}`) : undefined;
    return wildcard ?? this.secureContext;
  }

  /** False: a certificate with that number is not revoked, for sure. */
  mayBeRevoked(serialNumber: string): boolean {
    return this.#trust.mayBeRevoked(serialNumber);
  }

  /** Whether the lists revoke it, or the authority of the bundle that issued it. */
  isRevoked(certificate: X509Certificate): boolean {
    return this.#trust.isRevoked(certificate);
  }
}

interface Parts {
  readonly contexts: Contexts;
  readonly ticketKeys: Buffer;
  readonly trust: Trust;
  readonly certificates: readonly ServerCertificate[];
  readonly warnings: readonly TlsFinding[];
  readonly digest: string;
  readonly trustDigest: string;
}

interface Contexts {
  readonly standard: tls.SecureContext;
  readonly byHost: ReadonlyMap<string, tls.SecureContext>;
}

/** A certificate and the names that it is for; the default has none. */
interface Served {
  readonly certificate: ServerCertificate;
  readonly hosts: readonly string[];
}

/** Of a chain; the root at its end does not matter. */
export function expiriesOf({
  file,
  chain,
}: Pick<ServerCertificate, 'file' | 'chain'>): CertificateExpiry[] {
  return chain
    .filter(({ x509 }, i) => i === 0 || !x509.checkIssued(x509))
    .map(({ subject, serialNumber, notBefore, notAfter }) => ({
      file,
      subject,
      serialNumber,
      notBefore,
      notAfter,
    }));
}

async function loadTrust(options: TlsOptions, nowMs: number, findings: Findings): Promise<Trust> {
  const { ca, crl, clientCertificate, cert } = options;
  if (ca === undefined) {
    if (clientCertificate !== 'none') {
      findings.problem(
        cert,
        `client certificates are ${clientCertificate}, but no authority says which ones to believe: name its file with ca`,
      );
    }
    if (crl !== undefined) {
      findings.problem(
        crl,
        'a revocation list needs the authorities that signed it: name their file with ca',
      );
    }
    return new Trust([], []);
  }
  if (clientCertificate === 'none') {
    findings.warn(ca, 'is not used: clients are not asked for certificates');
  }
  return await readTrust(ca, crl, nowMs, findings);
}

async function loadCertificates(
  options: TlsOptions,
  nowMs: number,
  findings: Findings,
): Promise<Served[]> {
  const served: Served[] = [];
  const taken = new Set<string>();
  const entries: (CertificateFiles & { readonly hosts?: readonly string[] })[] = [
    options,
    ...options.sni,
  ];
  for (const entry of entries) {
    const hosts = readHosts(entry.cert, entry.hosts ?? [], taken, findings);
    const certificate = await readServerCertificate(entry, nowMs, findings);
    if (certificate === null) continue;
    served.push({ certificate, hosts });
    for (const host of hosts) checkHost(certificate, host, findings);
  }
  return served;
}

/** The names as clients send them: lower case, ASCII. */
function readHosts(
  file: string,
  hosts: readonly string[],
  taken: Set<string>,
  findings: Findings,
): string[] {
  return hosts.map((written) => {
    const prefix = written.startsWith('*.') ? '*.' : '';
    const host = prefix + domainToASCII(written.slice(prefix.length));
    if (!HOST.test(host.slice(prefix.length))) {
      findings.problem(
        file,
        `${JSON.stringify(written)} is not the name of a host: expected mqtt.example.com or *.example.com`,
      );
    } else if (taken.has(host)) {
      findings.problem(file, `the host ${host} has two certificates: name it once`);
    }
    taken.add(host);
    return host;
  });
}

function checkHost({ file, chain }: ServerCertificate, host: string, findings: Findings): void {
  const name = host.startsWith('*.') ? `any${host.slice(1)}` : host;
  if (chain[0]?.x509.checkHost(name) !== undefined) return;
  findings.warn(
    file,
    `${chain[0]?.subject} is not for ${host}: clients that ask for it will refuse it`,
  );
}

function common(options: TlsOptions, trust: Trust): tls.SecureContextOptions {
  const { minVersion, ciphers, clientCertificate } = options;
  return {
    minVersion,
    honorCipherOrder: true,
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(clientCertificate === 'none' ? {} : { ca: trust.caPem }),
    ...(clientCertificate === 'none' || trust.crls.length === 0 ? {} : { crl: trust.crlPem }),
  };
}

/** The contexts of OpenSSL; null if it refuses something, which is among the findings then. */
function makeContexts(
  served: readonly Served[],
  findings: Findings,
  options: tls.SecureContextOptions,
): Contexts | null {
  let standard: tls.SecureContext | null = null;
  const byHost = new Map<string, tls.SecureContext>();
  for (const { certificate, hosts } of served) {
    const { certPem: cert, keyPem: key, file } = certificate;
    try {
      const context = tls.createSecureContext({ ...options, cert, key });
      standard ??= context;
      for (const host of hosts) byHost.set(host, context);
    } catch (error) {
      findings.problem(file, refusal(error as NodeJS.ErrnoException, options.ciphers));
    }
  }
  return standard === null || findings.problems.length > 0 ? null : { standard, byHost };
}

function refusal({ code, message }: NodeJS.ErrnoException, ciphers: string | undefined): string {
  switch (code) {
    case 'ERR_SSL_NO_CIPHER_MATCH':
      return `none of the ciphers ${JSON.stringify(ciphers)} is known: list those that openssl ciphers prints`;
    case 'ERR_SSL_EE_KEY_TOO_SMALL':
    case 'ERR_SSL_CA_KEY_TOO_SMALL':
      return 'the key is too short for OpenSSL: RSA needs 2048 bits, elliptic curves 256';
    case 'ERR_SSL_CA_MD_TOO_WEAK':
      return 'the certificate is signed with a digest that OpenSSL does not accept any more: sign it with SHA-256';
    default:
      return `OpenSSL refuses it: ${message}`;
  }
}
