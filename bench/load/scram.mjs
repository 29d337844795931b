// The client's half of SCRAM-SHA-256, RFC 5802 and RFC 7677, without channel binding, for user names and passwords of plain
// letters. The rounds are the client's work: they are done once for all that log in as the same user, so that they do not stand
// in the way of what a login costs the server.

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

const METHOD = 'SCRAM-SHA-256';
const GS2_HEADER = 'n,,';
const NONCE_BYTES = 18;
const KEY_BYTES = 32;

/** @type {Map<string, { clientKey: Buffer, storedKey: Buffer, serverKey: Buffer }>} by password, salt and rounds */
const keys = new Map();

const hmac = (key, text) => createHmac('sha256', key).update(text).digest();

function keysOf(password, salt, rounds) {
  const name = JSON.stringify([password, salt, rounds]);
  let found = keys.get(name);
  if (found === undefined) {
    const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), rounds, KEY_BYTES, 'sha256');
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    found = { clientKey, storedKey, serverKey: hmac(salted, 'Server Key') };
    keys.set(name, found);
  }
  return found;
}

/** One login. */
export class ScramClient {
  method = METHOD;
  #password;
  #bare;
  #nonce;
  /** What the server has to answer. @type {string | null} */
  #signature = null;

  /** @param {string} username @param {string} password */
  constructor(username, password, nonce = randomBytes(NONCE_BYTES).toString('base64')) {
    this.#password = password;
    this.#nonce = nonce;
    this.#bare = `n=${username},r=${this.#nonce}`;
  }

  /** For CONNECT. */
  first() {
    return Buffer.from(`${GS2_HEADER}${this.#bare}`);
  }

  /** The answer to the server's first message. @param {Uint8Array | undefined} data */
  next(data) {
    const serverFirst = Buffer.from(data ?? []).toString();
    const [, nonce, salt, rounds] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? [];
    if (!nonce?.startsWith(this.#nonce)) throw new Error(`SCRAM: the server said ${serverFirst}`);
    const { clientKey, storedKey, serverKey } = keysOf(this.#password, salt, Number(rounds));
    const withoutProof = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`;
    const authMessage = `${this.#bare},${serverFirst},${withoutProof}`;
    const proof = hmac(storedKey, authMessage);
    for (let i = 0; i < proof.length; i++) proof[i] ^= clientKey[i];
    this.#signature = `v=${hmac(serverKey, authMessage).toString('base64')}`;
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  /** Throws if the server does not know the password, either. @param {Uint8Array | undefined} data */
  finish(data) {
    const said = Buffer.from(data ?? []).toString();
    if (this.#signature === null || said !== this.#signature) {
      throw new Error('SCRAM: the server did not prove that it knows the password');
    }
  }
}
