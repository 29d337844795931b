// Whom a listener believes when clients show certificates: the authorities, and what they revoked.
//
// As soon as there is one CRL, OpenSSL wants a list of every authority in a client's chain, the root included (Node sets
// X509_V_FLAG_CRL_CHECK_ALL), and refuses all clients below one whose list is missing or too old. So each authority of the
// bundle must have one, be it empty, and an intermediate must be in the bundle for its list to be accepted.

import type { X509Certificate } from 'node:crypto';
import { checkDates, type ReadCertificate, readCertificates } from './certificate-files.ts';
import { type Crl, isSignedBy, readCrl } from './crl.ts';
import { DerError } from './der.ts';
import type { Findings } from './findings.ts';
import { readPem, toPem } from './pem.ts';

/** A million entries, and more. */
const CRL_BYTES_MAX = 67_108_864;
const CHAIN_MAX = 10;

export class Trust {
  readonly authorities: readonly ReadCertificate[];
  /** Of each authority the newest, or all if they are partial. */
  readonly crls: readonly TrustedCrl[];
  /** Authorities that another one revoked, by fingerprint. */
  readonly #revoked = new Set<string>();

  constructor(authorities: readonly ReadCertificate[], crls: readonly TrustedCrl[]) {
    this.authorities = authorities;
    this.crls = crls;
    // As often as chains are long: what an intermediate revokes shows once it is known that it is revoked itself.
    for (let i = 0; i < CHAIN_MAX; i++) {
      const before = this.#revoked.size;
      for (const { x509 } of authorities) {
        if (this.isRevoked(x509)) this.#revoked.add(x509.fingerprint256);
      }
      if (this.#revoked.size === before) break;
    }
  }

  get caPem(): string[] {
    return this.authorities.map(({ x509 }) => toPem('CERTIFICATE', x509.raw));
  }

  /** One a list: of several in one text Node takes only the first. */
  get crlPem(): string[] {
    return this.crls.map(({ crl }) => toPem('X509 CRL', crl.raw));
  }

  /** False: for sure it is not. Costs next to nothing, since thousands who are connected are asked about. */
  mayBeRevoked(serialNumber: string): boolean {
    if (this.#revoked.size > 0) return true;
    return this.crls.some(({ crl }) => crl.revokedSerials.has(serialNumber));
  }

  /**
   * Whether the certificate, or the authority of the bundle that issued it, is on a list. Intermediates that the client sent
   * and that are not in the bundle are not known here; OpenSSL asks for them at the handshake.
   */
  isRevoked(certificate: X509Certificate): boolean {
    const { serialNumber } = certificate;
    for (const { crl, authority } of this.crls) {
      if (crl.revokedSerials.has(serialNumber) && certificate.checkIssued(authority)) return true;
    }
    if (this.#revoked.size === 0) return false;
    const issuers = this.authorities.filter(({ x509 }) => certificate.checkIssued(x509));
    return (
      issuers.length > 0 && issuers.every(({ x509 }) => this.#revoked.has(x509.fingerprint256))
    );
  }
}

export interface TrustedCrl {
  readonly file: string;
  readonly crl: Crl;
  /** Who signed it. */
  readonly authority: X509Certificate;
}

/** Reads the authorities and, if there is one, the file of their CRLs. What is wrong is among the findings. */
export async function readTrust(
  ca: string,
  crl: string | undefined,
  nowMs: number,
  findings: Findings,
): Promise<Trust> {
  const authorities = await readCertificates(ca, findings);
  for (const certificate of authorities) checkDates(ca, certificate, nowMs, findings);
  if (authorities.length > 0) checkRoots(ca, authorities, findings);
  if (crl === undefined || authorities.length === 0) return new Trust(authorities, []);
  const before = findings.problems.length;
  const crls = newest(await readCrls(crl, ca, authorities, nowMs, findings), findings);
  if (findings.problems.length === before) checkCoverage(crl, ca, authorities, crls, findings);
  return new Trust(authorities, crls);
}

function checkRoots(ca: string, authorities: readonly ReadCertificate[], findings: Findings): void {
  const roots = authorities.filter(({ x509 }) => x509.checkIssued(x509));
  for (const { x509, subject, issuer } of authorities) {
    if (!x509.ca) {
      findings.warn(ca, `${subject} is no authority: certificates that it issued will be refused`);
    }
    if (roots.length === 0) {
      findings.problem(ca, `${subject} is no root: add the certificate of its issuer ${issuer}`);
    } else if (!authorities.some((other) => x509.checkIssued(other.x509))) {
      findings.warn(
        ca,
        `the issuer ${issuer} of ${subject} is missing: add it, or clients below it will be refused`,
      );
    }
  }
}

async function readCrls(
  file: string,
  ca: string,
  authorities: readonly ReadCertificate[],
  nowMs: number,
  findings: Findings,
): Promise<TrustedCrl[]> {
  const content = await findings.read(file, CRL_BYTES_MAX);
  if (content === null) return [];
  const crls: TrustedCrl[] = [];
  const ders = content[0] === 0x30 ? [content] : crlBlocks(file, content, findings);
  for (const [i, der] of ders.entries()) {
    const name = ders.length === 1 ? 'the list' : `list ${i + 1}`;
    try {
      const crl = readCrl(der);
      const authority = signerOf(crl, authorities);
      if (authority === null) {
        findings.problem(
          file,
          `${name} (issuer ${crl.issuer}) was signed by none of the authorities in ${ca}: add its issuer there, or take the list out`,
        );
        continue;
      }
      checkAge(file, crl, nowMs, findings);
      crls.push({ file, crl, authority });
    } catch (error) {
      if (!(error instanceof DerError)) throw error;
      findings.problem(file, `${name} cannot be used: ${error.message}`);
    }
  }
  return crls;
}

function crlBlocks(file: string, content: Buffer, findings: Findings): Buffer[] {
  const { blocks, unfinished } = readPem(content.toString('latin1'));
  const found = blocks.filter(({ label }) => label === 'X509 CRL').map(({ der }) => der);
  if (unfinished !== null) {
    findings.problem(
      file,
      `the block ${JSON.stringify(unfinished)} has no end: is the file cut off?`,
    );
  } else if (found.length === 0) {
    const label = blocks[0]?.label;
    const other = label === undefined ? '' : `, but ${JSON.stringify(label)}`;
    findings.problem(
      file,
      content.length === 0
        ? 'is empty: an authority that revoked nothing has a list without entries'
        : `holds no revocation list${other}: expected PEM, -----BEGIN X509 CRL-----, or DER`,
    );
  }
  return found;
}

function signerOf(crl: Crl, authorities: readonly ReadCertificate[]): X509Certificate | null {
  const issuer = crl.issuer.toLowerCase();
  for (const { subject, x509 } of authorities) {
    if (subject.toLowerCase() === issuer && isSignedBy(crl, x509)) return x509;
  }
  return null;
}

function checkAge(file: string, crl: Crl, nowMs: number, findings: Findings): void {
  if (crl.nextUpdate !== null && crl.nextUpdate.getTime() < nowMs) {
    findings.warn(
      file,
      `the list of ${crl.issuer} is too old since ${crl.nextUpdate.toISOString()}: clients below it are refused until there is a newer one`,
    );
  } else if (crl.thisUpdate.getTime() > nowMs) {
    findings.warn(
      file,
      `the list of ${crl.issuer} holds from ${crl.thisUpdate.toISOString()}: is the clock of this machine right?`,
    );
  }
}

/** Of several complete lists of one authority only the newest counts, as for OpenSSL. */
function newest(crls: readonly TrustedCrl[], findings: Findings): TrustedCrl[] {
  return crls.filter((entry) => {
    const isOlder = crls.some(
      (other) =>
        other !== entry &&
        other.authority === entry.authority &&
        !other.crl.isPartial &&
        !entry.crl.isPartial &&
        isBefore(entry, other, crls),
    );
    if (isOlder) {
      const from = entry.crl.thisUpdate.toISOString();
      findings.warn(
        entry.file,
        `the list of ${entry.crl.issuer} of ${from} is not used: there is a newer one`,
      );
    }
    return !isOlder;
  });
}

/** Of two of the same time, the one that comes later in the file is the newer. */
function isBefore(one: TrustedCrl, other: TrustedCrl, crls: readonly TrustedCrl[]): boolean {
  const difference = one.crl.thisUpdate.getTime() - other.crl.thisUpdate.getTime();
  return difference < 0 || (difference === 0 && crls.indexOf(one) < crls.indexOf(other));
}

function checkCoverage(
  file: string,
  ca: string,
  authorities: readonly ReadCertificate[],
  crls: readonly TrustedCrl[],
  findings: Findings,
): void {
  for (const { subject, x509 } of authorities) {
    if (!x509.ca || crls.some(({ crl, authority }) => isOf(x509, subject, crl, authority)))
      continue;
    findings.problem(
      file,
      `there is no list of ${subject}, and without one OpenSSL refuses all clients below it: add its list, even one without entries, or take the authority out of ${ca}`,
    );
  }
}

/** A renewed certificate of an authority has the same name and key: one list is of both. */
function isOf(
  x509: X509Certificate,
  subject: string,
  crl: Crl,
  authority: X509Certificate,
): boolean {
  if (x509.fingerprint256 === authority.fingerprint256) return true;
  return subject.toLowerCase() === crl.issuer.toLowerCase() && isSignedBy(crl, x509);
}
