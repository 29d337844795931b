// A server's certificate and its key, from their files: the chain in order, the key fits, and what clients would object to is
// said before they do.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type ClientCertificate, readClientCertificate } from './client-certificate.ts';
import type { Findings } from './findings.ts';
import type { CertificateFiles } from './options.ts';
import { type PemBlock, readPem, toPem } from './pem.ts';

/** A certificate of a chain, with what is said about it. */
export interface ReadCertificate extends ClientCertificate {
  readonly x509: X509Certificate;
}

export interface ServerCertificate {
  readonly file: string;
  /** The server's own first. */
  readonly chain: readonly ReadCertificate[];
  /** PEM, without what else was in the files. */
  readonly certPem: string;
  readonly keyPem: string;
}

const CERTIFICATE_BYTES_MAX = 4_194_304;
const KEY_BYTES_MAX = 1_048_576;
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const ANY_PURPOSE = '2.5.29.37.0';

/** Null if something is wrong, which is among the findings then. */
export async function readServerCertificate(
  files: CertificateFiles,
  nowMs: number,
  findings: Findings,
): Promise<ServerCertificate | null> {
  const before = findings.problems.length;
  const chain = await readCertificates(files.cert, findings);
  const key = await readKey(files, findings);
  const leaf = chain[0];
  if (leaf === undefined || key === null) return null;
  checkKey(files, chain, key, findings);
  if (findings.problems.length === before) checkChain(files.cert, chain, findings);
  if (findings.problems.length > before) return null;
  for (const certificate of chain) checkDates(files.cert, certificate, nowMs, findings);
  checkPurpose(files.cert, leaf, findings);
  return {
    file: files.cert,
    chain,
    certPem: chain.map(({ x509 }) => toPem('CERTIFICATE', x509.raw)).join(''),
    keyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** All certificates of a PEM file, in its order; none if something is wrong, which is among the findings then. */
export async function readCertificates(
  file: string,
  findings: Findings,
): Promise<ReadCertificate[]> {
  const content = await findings.read(file, CERTIFICATE_BYTES_MAX);
  if (content === null) return [];
  const { blocks, unfinished } = readPem(content.toString('latin1'));
  if (unfinished !== null) {
    findings.problem(
      file,
      `the block ${JSON.stringify(unfinished)} has no end: is the file cut off?`,
    );
    return [];
  }
  const certificates: ReadCertificate[] = [];
  const found = blocks.filter(({ label }) => /^(X509 |TRUSTED )?CERTIFICATE$/.test(label));
  for (const [i, block] of found.entries()) {
    const certificate = readBlock(block);
    if (certificate !== null) certificates.push(certificate);
    else findings.problem(file, `certificate ${i + 1} in it cannot be read: issue or copy it anew`);
  }
  if (found.length === 0) findings.problem(file, whyNoCertificate(content, blocks, file));
  return certificates.length === found.length ? certificates : [];
}

/** The certificates of a file that OpenSSL has taken. */
export function readChain(pem: string): ReadCertificate[] {
  return readPem(pem).blocks.flatMap((block) => readBlock(block) ?? []);
}

function readBlock({ der }: PemBlock): ReadCertificate | null {
  try {
    const x509 = new X509Certificate(der);
    return { x509, ...readClientCertificate(x509.raw) };
  } catch {
    return null;
  }
}

function whyNoCertificate(content: Buffer, blocks: readonly PemBlock[], file: string): string {
  if (content.length === 0) return 'is empty: expected PEM, -----BEGIN CERTIFICATE-----';
  const label = blocks[0]?.label;
  if (label?.endsWith('PRIVATE KEY')) {
    return 'holds a private key, but no certificate: are certificate and key swapped?';
  }
  if (label !== undefined) return `holds ${JSON.stringify(label)}, but no certificate`;
  if (content[0] === 0x30) {
    return readBlock({ label: '', der: content }) === null
      ? `is not PEM: unpack a .p12 or .pfx with openssl pkcs12 -in ${file} -nodes`
      : `is DER, not PEM: convert it with openssl x509 -inform der -in ${file}`;
  }
  return 'holds no certificate: expected PEM, -----BEGIN CERTIFICATE-----';
}

async function readKey(
  { key: file, passphrase }: CertificateFiles,
  findings: Findings,
): Promise<KeyObject | null> {
  const content = await findings.read(file, KEY_BYTES_MAX);
  if (content === null) return null;
  const { blocks } = readPem(content.toString('latin1'));
  const label = blocks.find((block) => block.label.endsWith('PRIVATE KEY'))?.label;
  if (label === undefined) {
    const other = blocks[0] === undefined ? '' : `, but ${JSON.stringify(blocks[0].label)}`;
    findings.problem(
      file,
      content.length === 0
        ? 'is empty: expected PEM, -----BEGIN PRIVATE KEY-----'
        : `holds no private key${other}: expected PEM, -----BEGIN PRIVATE KEY-----`,
    );
    return null;
  }
  // Only from the key on: OpenSSL stumbles over the parameters that some tools write before it.
  const text = content.toString('latin1').slice(content.indexOf(`-----BEGIN ${label}-----`));
  try {
    return createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    findings.problem(file, whyNoKey(text, passphrase, error as NodeJS.ErrnoException));
    return null;
  }
}

function whyNoKey(text: string, passphrase: string | undefined, error: Error): string {
  const isEncrypted = /BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(text);
  if (isEncrypted && passphrase === undefined) {
    return 'the private key is encrypted: give its passphrase, or store it decrypted';
  }
  if (isEncrypted) return 'the passphrase does not open the private key: correct it';
  return `the private key cannot be read: ${error.message}`;
}

function checkKey(
  { cert, key: keyFile }: CertificateFiles,
  chain: readonly ReadCertificate[],
  key: KeyObject,
  findings: Findings,
): void {
  const fits = chain.findIndex(({ x509 }) => x509.checkPrivateKey(key));
  if (fits === 0) return;
  if (fits > 0) {
    findings.problem(
      cert,
      `the key fits certificate ${fits + 1} in it (${chain[fits]?.subject}): put the server's own certificate first`,
    );
    return;
  }
  findings.problem(
    keyFile,
    `the key does not fit the certificate ${cert} (${chain[0]?.subject}): use the key that its request was made with`,
  );
}

/** Each certificate is followed by its issuer's. */
function checkChain(file: string, chain: readonly ReadCertificate[], findings: Findings): void {
  for (let i = 1; i < chain.length; i++) {
    const subject = chain[i - 1];
    const issuer = chain[i];
    if (subject === undefined || issuer === undefined) continue;
    if (subject.x509.checkIssued(issuer.x509) && subject.x509.verify(issuer.x509.publicKey))
      continue;
    findings.problem(
      file,
      `certificate ${i} (${subject.subject}) was issued by ${subject.issuer}, but certificate ${i + 1} (${issuer.subject}) follows: put each before the one of its issuer, and take out what does not belong`,
    );
  }
}

/** What is too old or too young can be used, since clocks and clients differ; somebody should know. */
export function checkDates(
  file: string,
  { subject, notBefore, notAfter }: ReadCertificate,
  nowMs: number,
  findings: Findings,
): void {
  if (notAfter.getTime() < nowMs) {
    findings.warn(file, `${subject} expired on ${notAfter.toISOString()}: renew it`);
  } else if (notBefore.getTime() > nowMs) {
    const from = notBefore.toISOString();
    findings.warn(
      file,
      `${subject} is not valid before ${from}: is the clock of this machine right?`,
    );
  }
}

function checkPurpose(file: string, leaf: ReadCertificate, findings: Findings): void {
  const purposes = leaf.x509.keyUsage;
  if (purposes && !purposes.includes(SERVER_AUTH) && !purposes.includes(ANY_PURPOSE)) {
    findings.warn(
      file,
      `${leaf.subject} is not for servers (extended key usage): clients will refuse it; issue one with serverAuth`,
    );
  }
  if (leaf.sanDns.length === 0 && leaf.sanIp.length === 0) {
    findings.warn(
      file,
      `${leaf.subject} names no host (subject alternative name): most clients will refuse it; issue one with the server's DNS names`,
    );
  }
}
