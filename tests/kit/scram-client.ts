// The client's half of SCRAM-SHA-256 for tests, written from RFC 5802 §3 and apart from the server's half. It prepares nothing:
// passwords of tests are ASCII, or already as SASLprep would make them.

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';

/** The salt of the example in RFC 7677 §3. */
export const RFC_SALT = 'W22ZaJ0SNY7soEsUEjb6gQ==';

export interface ScramClientOptions {
  readonly nonce?: string;
  readonly gs2Header?: string;
  /** What it puts behind the nonce, as `,x=1`. */
  readonly extensions?: string;
}

export class ScramClient {
  /** The first message. */
  readonly first: string;
  readonly #password: string;
  readonly #options: ScramClientOptions;
  #serverFinal = '';

  constructor(username: string, password: string, options: ScramClientOptions = {}) {
    const { nonce = 'rOprNGfwEbeRWgbNEkqO', gs2Header = 'n,,', extensions = '' } = options;
    const name = username.replaceAll('=', '=3D').replaceAll(',', '=2C');
    this.#password = password;
    this.#options = { nonce, gs2Header, extensions };
    this.first = `${gs2Header}n=${name},r=${nonce}${extensions}`;
  }

  /** The last message, for what the server answered to the first. */
  final(serverFirst: string): string {
    const { gs2Header = '', extensions = '' } = this.#options;
    const match = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst);
    if (match === null) throw new Error(`not what a server says first: ${serverFirst}`);
    const [, nonce, salt, iterations] = match;
    const bare = this.first.slice(gs2Header.length);
    const channelBinding = Buffer.from(gs2Header).toString('base64');
    const withoutProof = `c=${channelBinding},r=${nonce}${extensions}`;
    const authMessage = `${bare},${serverFirst},${withoutProof}`;
    const salted = pbkdf2Sync(
      this.#password,
      Buffer.from(salt, 'base64'),
      Number(iterations),
      32,
      'sha256',
    );
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage);
    const proof = Buffer.from(clientKey.map((byte, i) => byte ^ signature[i]));
    const serverSignature = hmac(hmac(salted, 'Server Key'), authMessage);
    this.#serverFinal = `v=${serverSignature.toString('base64')}`;
    return `${withoutProof},p=${proof.toString('base64')}`;
  }

  /** What a server says at the end that knows the password, too. */
  get serverFinal(): string {
    return this.#serverFinal;
  }
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
