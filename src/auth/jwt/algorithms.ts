// The algorithms of tokens (RFC 7518 §3, RFC 8037, RFC 9864), and which kind of key each needs. `none` is not among them, and
// nothing puts it there.

/** What a key is, as far as algorithms care. */
export type KeyKind = 'secret' | 'rsa' | 'P-256' | 'P-384' | 'P-521' | 'ed25519';

const KINDS = {
  HS256: 'secret',
  HS384: 'secret',
  HS512: 'secret',
  RS256: 'rsa',
  RS384: 'rsa',
  RS512: 'rsa',
  PS256: 'rsa',
  PS384: 'rsa',
  PS512: 'rsa',
  ES256: 'P-256',
  ES384: 'P-384',
  ES512: 'P-521',
  EdDSA: 'ed25519',
  Ed25519: 'ed25519',
} as const satisfies Readonly<Record<string, KeyKind>>;

export type JwtAlgorithm = keyof typeof KINDS;

export const JWT_ALGORITHMS = Object.keys(KINDS) as JwtAlgorithm[];

export function isJwtAlgorithm(name: string): name is JwtAlgorithm {
  return Object.hasOwn(KINDS, name);
}

export function kindOf(algorithm: JwtAlgorithm): KeyKind {
  return KINDS[algorithm];
}

/** Bits of the hash of an HS algorithm; its secret has as many at least. RFC 7518 §3.2 */
export function secretBits(algorithm: JwtAlgorithm): number {
  return Number(algorithm.slice(2));
}

/** How people call such a key. */
export function kindName(kind: KeyKind): string {
  if (kind === 'secret') return 'a secret';
  if (kind === 'rsa') return 'an RSA key';
  return kind === 'ed25519' ? 'an Ed25519 key' : `an EC key on ${kind}`;
}
