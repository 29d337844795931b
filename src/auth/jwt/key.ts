// A key that verifies tokens. It holds one ready-made key per algorithm that it may be used with, and each of those knows its
// algorithm itself (WebCrypto): a public key cannot serve as a secret, whatever a token says. Private keys are refused,
// since a server that only verifies has no use for them.

import { createHmac, type KeyObject, randomBytes } from 'node:crypto';
import { type CryptoKey, importSPKI } from 'jose';
import { type JwtAlgorithm, type KeyKind, kindName, kindOf, secretBits } from './algorithms.ts';

/** RFC 7518 §3.3 */
const RSA_BITS_MIN = 2_048;
/** A longer one takes milliseconds for each token, which a set of keys from elsewhere must not bring about. */
const RSA_BITS_MAX = 8_192;
const CURVES: Readonly<Record<string, KeyKind>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

/** So that a mark of a secret says nothing of it; nobody's mark outlives the process. */
const MARKING = randomBytes(32);

export interface JwtKey {
  /** Whoever was let in by the key is known by it. */
  readonly mark: string;
  /** Tokens that name a key (`kid`) are for the one of that name; null: it is for any. */
  readonly id: string | null;
  readonly byAlgorithm: ReadonlyMap<JwtAlgorithm, CryptoKey>;
}

/** The key, or what is wrong with the secret for one of these algorithms and what to do. */
export async function secretKey(
  id: string | null,
  secret: Uint8Array,
  algorithms: readonly JwtAlgorithm[],
): Promise<JwtKey | string> {
  const misfit = misfitOf('secret', algorithms);
  if (misfit !== null) return misfit;
  if (Buffer.from(secret).includes('-----BEGIN ')) {
    return 'the secret is a key or certificate in PEM, which is no secret: name its file with file';
  }
  const byAlgorithm = new Map<JwtAlgorithm, CryptoKey>();
  for (const algorithm of algorithms) {
    const bits = secretBits(algorithm);
    if (secret.length * 8 < bits) {
      return `the secret has ${secret.length} bytes, ${algorithm} needs ${bits / 8} at least: make one with openssl rand -hex ${bits / 8}`;
    }
    const parameters = { name: 'HMAC', hash: `SHA-${bits}` };
    byAlgorithm.set(
      algorithm,
      await crypto.subtle.importKey('raw', new Uint8Array(secret), parameters, false, ['verify']),
    );
  }
  return { id, mark: markOf(secret), byAlgorithm };
}

/** The same of a public key. */
export async function publicKey(
  id: string | null,
  key: KeyObject,
  algorithms: readonly JwtAlgorithm[],
): Promise<JwtKey | string> {
  const kind = kindOfPublic(key);
  if (kind === null) {
    const type = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType;
    return `keys of the type ${type} cannot be used: take RSA, EC on P-256, P-384 or P-521, or Ed25519`;
  }
  const misfit = misfitOf(kind, algorithms);
  if (misfit !== null) return misfit;
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (kind === 'rsa' && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)) {
    return `the RSA key has ${bits} bits: expected ${RSA_BITS_MIN} to ${RSA_BITS_MAX}`;
  }
  const spki = key.export({ type: 'spki', format: 'pem' }).toString();
  const byAlgorithm = new Map<JwtAlgorithm, CryptoKey>();
  for (const algorithm of algorithms) {
    byAlgorithm.set(algorithm, await importSPKI(spki, algorithm));
  }
  return { id, mark: markOf(spki), byAlgorithm };
}

/** null: no algorithm is for it. RSASSA-PSS keys (`rsa-pss`) are none that JOSE has a name for. */
export function kindOfPublic(key: KeyObject): KeyKind | null {
  if (key.asymmetricKeyType === 'rsa') return 'rsa';
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  return CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? null;
}

/** Nobody learns from it what it is of. */
export function markOf(key: Uint8Array | string): string {
  return createHmac('sha256', MARKING).update(key).digest('base64url');
}

function misfitOf(kind: KeyKind, algorithms: readonly JwtAlgorithm[]): string | null {
  const misfit = algorithms.find((algorithm) => kindOf(algorithm) !== kind);
  if (misfit === undefined) return null;
  return `${misfit} needs ${kindName(kindOf(misfit))}, but this is ${kindName(kind)}: list only algorithms that fit`;
}
