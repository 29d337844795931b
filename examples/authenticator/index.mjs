// An authenticator of one's own, as an example: devices whose passwords nobody has to keep. The password of a device is an HMAC
// of its client id under one secret, so whoever makes devices can compute it, and so can this. It takes nothing of the server
// but the types of the contract.

import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * @import { Authenticator, ConnectRequest, Decision, Logger } from 'iothub'
 */

const SUCCESS = 0x00;
const BAD_USER_NAME_OR_PASSWORD = 0x86;

/** Shorter ones can be guessed. */
const SECRET_LENGTH_MIN = 32;

/**
 * `options` is the table `[authenticators.options]`. What is wrong with it is thrown here, and the server does not start.
 *
 * @param {Readonly<Record<string, unknown>>} options
 * @param {{ readonly logger: Logger }} services
 * @returns {Authenticator}
 */
export function createAuthenticator({ secret, username = 'device' }, { logger }) {
  if (typeof secret !== 'string' || secret.length < SECRET_LENGTH_MIN) {
    throw new Error(`options.secret must be a text of ${SECRET_LENGTH_MIN} characters or more`);
  }
  if (typeof username !== 'string' || username === '') {
    throw new Error('options.username must be the user name that devices give');
  }
  logger.info({ username }, 'devices log in with passwords that are made of their client ids');
  return {
    /** @param {ConnectRequest} request @returns {Decision} */
    authenticate(request) {
      // Not a device, or one that shows nothing: another authenticator may know it.
      if (request.username !== username || request.password === null) return 'next';
      if (!isSame(request.password, passwordOf(secret, request.clientId))) {
        return { reasonCode: BAD_USER_NAME_OR_PASSWORD, detail: 'not the password of this device' };
      }
      return { reasonCode: SUCCESS, username: request.clientId, groups: ['devices'] };
    },
  };
}

/** What a device has for a password. @param {string} secret @param {string} clientId */
export function passwordOf(secret, clientId) {
  return createHmac('sha256', secret).update(clientId).digest('base64url');
}

/** In a time that tells nothing of where they differ. @param {Uint8Array} password @param {string} expected */
function isSame(password, expected) {
  const bytes = Buffer.from(expected);
  return password.length === bytes.length && timingSafeEqual(password, bytes);
}
