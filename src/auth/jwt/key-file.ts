// Keys from a file: a public key or a certificate in PEM, or a JWK or JWKS. What is in it decides, not its name.

import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { JwtAlgorithm } from './algorithms.ts';
import { type KeySet, readKeySet } from './jwk.ts';
import { publicKey } from './key.ts';
import { parseStrictJson } from './strict-json.ts';

const BYTES_MAX = 1_048_576;
const LABEL = /-----BEGIN ([A-Z0-9 ]+)-----/g;

/** Throws an Error that says what is wrong with the file and what to do, without its name. */
export async function readKeyFile(
  file: string,
  id: string | null,
  algorithms: readonly JwtAlgorithm[],
): Promise<KeySet> {
  const content = await readBounded(file);
  const text = content.toString('latin1');
  if (text.includes('-----BEGIN ')) return await readPemKey(text, id, algorithms);
  if (!/^\s*\{/.test(text)) {
    throw new Error(
      content.length === 0
        ? 'is empty: expected a public key or certificate in PEM, or a JWK or JWKS'
        : 'holds no key: expected a public key or certificate in PEM (-----BEGIN …), or a JWK or JWKS ({…})',
    );
  }
  const set = await readKeySet(parseStrictJson(content), { algorithms, id, allowsSecrets: true });
  if (set.problems.length > 0) throw new Error(set.problems.join('; '));
  if (set.keys.length === 0) throw new Error(`has no key for ${algorithms.join(', ')}`);
  return set;
}

async function readPemKey(
  text: string,
  id: string | null,
  algorithms: readonly JwtAlgorithm[],
): Promise<KeySet> {
  const key = await publicKey(id, publicKeyIn(text), algorithms);
  if (typeof key === 'string') throw new Error(key);
  return { keys: [key], problems: [], hasSecrets: false };
}

function publicKeyIn(text: string): KeyObject {
  const labels = [...text.matchAll(LABEL)].map(([, label]) => label ?? '');
  // Before anything is parsed: OpenSSL would make a public key of a private one without a word.
  if (labels.some((label) => label.endsWith('PRIVATE KEY'))) {
    throw new Error(
      'holds a private key: the server needs the public one only, made with openssl pkey -in PRIVATE -pubout; keep the private one where tokens are made',
    );
  }
  const [label] = labels;
  const isCertificate = label === 'CERTIFICATE';
  if (!isCertificate && label !== 'PUBLIC KEY' && label !== 'RSA PUBLIC KEY') {
    throw new Error(`holds ${JSON.stringify(label)}: expected a PUBLIC KEY or a CERTIFICATE`);
  }
  if (!isCertificate && labels.length > 1) {
    throw new Error(`holds ${labels.length} keys: give each a file and a table of its own`);
  }
  try {
    // Of a chain of certificates the first is the one that it is about.
    return isCertificate ? new X509Certificate(text).publicKey : createPublicKey(text);
  } catch {
    throw new Error(`the ${label} in it cannot be read: is the file cut off?`);
  }
}

async function readBounded(file: string): Promise<Buffer> {
  try {
    const found = await stat(file); // before it is opened: opening a pipe waits for its writer
    if (!found.isFile()) throw new Error('is no regular file: name one');
    if (found.size > BYTES_MAX) {
      throw new Error(
        `has ${found.size} bytes, more than the ${BYTES_MAX} that are read: is it the right file?`,
      );
    }
    return await readFile(file);
  } catch (error) {
    throw new Error(whyUnread(error as NodeJS.ErrnoException));
  }
}

function whyUnread({ code, message }: NodeJS.ErrnoException): string {
  if (code === undefined) return message;
  if (code === 'ENOENT') return 'does not exist: correct the path, or create the file';
  if (code === 'EACCES' || code === 'EPERM') {
    return 'may not be read by this user: change its owner or its permissions';
  }
  return `cannot be read: ${message}`;
}
