// Who the clients of a benchmark say they are. `{i}` in a user name or password stands for the client's number, so that each may
// be somebody else. The server's own code has no part in it: what it accepts must be right.

import { ScramClient } from './scram.mjs';

/**
 * `password`: user name and password. `tokens`: each client has one of its own, as its password. `scram`: SCRAM-SHA-256.
 * @typedef {{ kind: 'password', username: string, password: string }
 *   | { kind: 'tokens', tokens: string[] }
 *   | { kind: 'scram', username: string, password: string }} Login
 *
 * What CONNECT has of it.
 * @typedef {{ username: string | null, password: Buffer | null, exchange: ScramClient | null }} Credentials
 */

/** @param {Login | null} login null: nobody in particular @param {number} number @returns {Credentials} */
export function credentialsOf(login, number) {
  if (login === null) return { username: null, password: null, exchange: null };
  if (login.kind === 'tokens') {
    const token = login.tokens[number % login.tokens.length];
    return { username: null, password: Buffer.from(token), exchange: null };
  }
  const [username, password] = [login.username, login.password].map((text) =>
    text.replaceAll('{i}', String(number)),
  );
  if (login.kind === 'password') {
    return { username, password: Buffer.from(password), exchange: null };
  }
  return { username: null, password: null, exchange: new ScramClient(username, password) };
}

/** The same, but wrong: nobody may be let in by it. @param {Login} login @returns {Login} */
export function spoiled(login) {
  if (login.kind !== 'tokens') return { ...login, password: `${login.password}x` };
  return { ...login, tokens: login.tokens.map(withOtherSignature) };
}

/** Of the same length, and still base64url. */
function withOtherSignature(token) {
  const at = token.lastIndexOf('.') + 1;
  return `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
}
