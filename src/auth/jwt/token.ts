// A token as it comes: three parts in base64url with dots between them (RFC 7515 §7.1). What is no token may be another
// authenticator's; what is one counts as one from here on, with all its faults.

import { isObject, parseStrictJson } from './strict-json.ts';

/** Characters of a key's name in a header (`kid`). */
export const KEY_ID_LENGTH_MAX = 256;
const SHAPE = /^([\w-]+)\.([\w-]*)\.([\w-]*)$/;

export interface TokenHeader {
  readonly algorithm: string;
  readonly keyId: string | null;
}

/** What makes a token unusable before anybody looks at its signature; goes to the log. */
export class TokenFault extends Error {
  override readonly name = 'TokenFault';
}

/** Its header, or null if the text does not look like a token. Throws TokenFault when it does, but is none that can be used. */
export function readHeader(text: string): TokenHeader | null {
  const encoded = SHAPE.exec(text)?.[1];
  if (encoded === undefined) return null;
  const bytes = Buffer.from(encoded, 'base64url');
  if (!looksLikeHeader(bytes)) return null;
  let header: unknown;
  try {
    header = parseStrictJson(bytes);
  } catch (error) {
    throw new TokenFault(`the header of the token ${(error as Error).message}`);
  }
  const { alg, kid, crit } = header as Readonly<Record<string, unknown>>;
  if (typeof alg !== 'string') throw new TokenFault('the alg of the token is no text');
  // RFC 7515 §4.1.11: whoever does not understand an extension that counts must refuse, and none is understood here.
  if (crit !== undefined) throw new TokenFault('the token has critical extensions (crit)');
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > KEY_ID_LENGTH_MAX)) {
    throw new TokenFault(
      `the kid of the token is no text of ${KEY_ID_LENGTH_MAX} characters at most`,
    );
  }
  return { algorithm: alg, keyId: kid ?? null };
}

function looksLikeHeader(bytes: Buffer): boolean {
  try {
    const header: unknown = JSON.parse(bytes.toString());
    return isObject(header) && Object.hasOwn(header, 'alg');
  } catch {
    return false;
  }
}

/** Whether some text is a token, and thus not to be shown. */
export function isToken(text: string): boolean {
  const encoded = SHAPE.exec(text)?.[1];
  return encoded !== undefined && looksLikeHeader(Buffer.from(encoded, 'base64url'));
}

/** Text of a token's, for the log: short, and on one line. */
export function quoted(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
