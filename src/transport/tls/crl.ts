// Certificate revocation lists, RFC 5280 §5: who issued one, until when it holds, which serial numbers it revokes. Read by our
// own reader since such a list may have a million entries. OpenSSL asks them too, at each handshake; this is for what it cannot
// do: find out at a reload which of those who are connected are revoked now, and warn before a list is too old.

import { constants, verify, type X509Certificate } from 'node:crypto';
import { contextTag, DerError, DerReader, integerText, oidText, readTime, Tag } from './der.ts';
import { readName } from './distinguished-name.ts';

export interface Crl {
  /** As `openssl crl -nameopt RFC2253` prints it. */
  readonly issuer: string;
  readonly thisUpdate: Date;
  /** When there will be a newer one; null if the list does not say, and then it never gets too old. */
  readonly nextUpdate: Date | null;
  /** As `readClientCertificate` writes them. */
  readonly revokedSerials: ReadonlySet<string>;
  /** A list of a part of its issuer's certificates, with others beside it. */
  readonly isPartial: boolean;
  /** DER */
  readonly raw: Buffer;
  /** What is signed, by which algorithm, and the signature: for `isSignedBy`. */
  readonly signed: Uint8Array;
  readonly algorithm: string;
  readonly signature: Uint8Array;
}

const DELTA_CRL_INDICATOR = '2.5.29.27';
const ISSUING_DISTRIBUTION_POINT = '2.5.29.28';

/** Reads a CRL. Throws DerError for what is none, and for a kind that OpenSSL would not use here. */
export function readCrl(raw: Uint8Array): Crl {
  const outer = new DerReader(raw);
  const list = outer.open(Tag.Sequence);
  outer.finish();
  const signed = list.element();
  const algorithm = oidText(list.open(Tag.Sequence).read(Tag.ObjectIdentifier));
  const bits = list.read(Tag.BitString);
  list.finish();
  const fields = new DerReader(signed).open(Tag.Sequence);
  fields.skip(Tag.Integer); // version
  fields.read(Tag.Sequence); // signature algorithm
  const issuer = readName(fields).text;
  const thisUpdate = readTime(fields);
  const hasNextUpdate = fields.nextTag === Tag.UtcTime || fields.nextTag === Tag.GeneralizedTime;
  const nextUpdate = hasNextUpdate ? readTime(fields) : null;
  const revokedSerials = new Set<string>();
  if (fields.nextTag === Tag.Sequence) {
    const entries = fields.open(Tag.Sequence);
    while (!entries.isAtEnd) {
      revokedSerials.add(integerText(entries.open(Tag.Sequence).read(Tag.Integer)));
    }
  }
  return {
    issuer,
    thisUpdate,
    nextUpdate,
    revokedSerials,
    isPartial: readExtensions(fields),
    raw: Buffer.from(raw),
    signed,
    algorithm,
    signature: bits.subarray(1), // without the count of unused bits
  };
}

/** Whether it is a list of a part. */
function readExtensions(fields: DerReader): boolean {
  let isPartial = false;
  if (fields.nextTag === contextTag(0, true)) {
    const extensions = fields.open(contextTag(0, true)).open(Tag.Sequence);
    while (!extensions.isAtEnd) {
      const extension = extensions.open(Tag.Sequence);
      const type = oidText(extension.read(Tag.ObjectIdentifier));
      extension.skip(Tag.Boolean); // critical
      if (type === DELTA_CRL_INDICATOR) {
        throw new DerError('it is a delta CRL, which only says what changed: use the complete one');
      }
      if (type === ISSUING_DISTRIBUTION_POINT) {
        isPartial = true;
        refuseIndirect(extension.read(Tag.OctetString));
      }
    }
  }
  fields.finish();
  return isPartial;
}

/** RFC 5280 §5.2.5: such a list speaks for other issuers than its own. */
function refuseIndirect(extension: Uint8Array): void {
  const scope = new DerReader(extension).open(Tag.Sequence);
  while (!scope.isAtEnd) {
    if (scope.nextTag === contextTag(4, false)) {
      throw new DerError('it is an indirect CRL: use one that the issuer itself has signed');
    }
    scope.element();
  }
}

/** Digests by signature algorithm; null where the algorithm has its own. */
const DIGESTS: Readonly<Record<string, readonly (string | null)[]>> = {
  '1.2.840.113549.1.1.5': ['sha1'],
  '1.2.840.113549.1.1.11': ['sha256'],
  '1.2.840.113549.1.1.12': ['sha384'],
  '1.2.840.113549.1.1.13': ['sha512'],
  '1.2.840.113549.1.1.10': ['sha256', 'sha384', 'sha512', 'sha1'], // PSS, whose parameters say which: try
  '1.2.840.10045.4.1': ['sha1'],
  '1.2.840.10045.4.3.2': ['sha256'],
  '1.2.840.10045.4.3.3': ['sha384'],
  '1.2.840.10045.4.3.4': ['sha512'],
  '1.3.101.112': [null],
  '1.3.101.113': [null],
};
const RSA_PSS = '1.2.840.113549.1.1.10';

/** Whether that authority has signed the list. Throws DerError if the algorithm is not known here. */
export function isSignedBy(crl: Crl, authority: X509Certificate): boolean {
  const digests = DIGESTS[crl.algorithm];
  if (digests === undefined) {
    throw new DerError(
      `its signature algorithm ${crl.algorithm} is not known: sign it with RSA, ECDSA or EdDSA and SHA-2`,
    );
  }
  const padding = crl.algorithm === RSA_PSS ? { padding: constants.RSA_PKCS1_PSS_PADDING } : {};
  const key = { key: authority.publicKey, ...padding };
  return digests.some((digest) => {
    try {
      return verify(digest, crl.signed, key, crl.signature);
    } catch {
      return false; // a key of another kind
    }
  });
}
