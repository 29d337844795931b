// OpenSSL's verdicts in an operator's words: what is wrong, and what to do. The code goes into the log line as it is, so that it
// can be searched for; docs/tls-log.md lists all of it.

const CERTIFICATES: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired: issue a new one',
  CERT_NOT_YET_VALID: 'it is not valid yet: look at the clocks, or wait',
  CERT_REVOKED: 'it is revoked: issue a new one if the client may still come',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed: have it signed by a CA of the ca file',
  SELF_SIGNED_CERT_IN_CHAIN: 'its root is not in the ca file: add it if it is to be trusted',
  UNABLE_TO_GET_ISSUER_CERT:
    'the issuer of one of its CAs is not in the ca file: add the CAs up to the root',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'its issuer is not in the ca file: add that CA, or let the client send its intermediates',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its issuer is not in the ca file: add that CA, or let the client send its intermediates',
  UNABLE_TO_GET_CRL: 'the crl file has no list of its issuer: add one for every CA of the ca file',
  CRL_HAS_EXPIRED: 'the CRL of its issuer has expired: fetch a new one, until then nobody comes in',
  CRL_NOT_YET_VALID: 'the CRL of its issuer is not valid yet: look at the clock',
  CRL_SIGNATURE_FAILURE: 'the CRL is not signed by its issuer: fetch it again',
  CERT_SIGNATURE_FAILURE:
    'its signature is wrong: another CA of the same name issued it, or it is forged',
  UNABLE_TO_DECRYPT_CERT_SIGNATURE: 'its signature cannot be read: issue a new one',
  INVALID_PURPOSE: 'it is not meant for clients: issue one with the purpose clientAuth',
  INVALID_CA: 'somebody in its chain is no CA: look at basicConstraints and keyUsage',
  PATH_LENGTH_EXCEEDED: 'its chain is longer than one of its CAs allows',
  CERT_CHAIN_TOO_LONG: 'its chain is too long',
  CERT_UNTRUSTED: 'its CA is not trusted for clients: look at the trust settings in the ca file',
  CERT_REJECTED: 'its CA rejects clients: look at the trust settings in the ca file',
};

/** What the client says in an alert. RFC 8446 §6.2. */
const ALERTS: Readonly<Record<string, string>> = {
  UNKNOWN_CA: 'the client does not trust our certificate: give it the CA that issued it',
  BAD_CERTIFICATE:
    'the client refuses our certificate: mostly, the name it connects to is not in it',
  CERTIFICATE_UNKNOWN:
    'the client refuses our certificate: it does not trust the CA, or the name is not in it',
  CERTIFICATE_EXPIRED: 'the client says that our certificate has expired: renew it',
  CERTIFICATE_REVOKED: 'the client says that our certificate is revoked: replace it',
  UNSUPPORTED_CERTIFICATE: 'the client cannot use our certificate: mostly its kind of key',
  PROTOCOL_VERSION: 'the client has no TLS version that is allowed here: update it',
  INSUFFICIENT_SECURITY: 'the client wants stronger ciphers than are offered here',
  HANDSHAKE_FAILURE: 'the client found no cipher or parameters in common: compare ciphers',
  NO_APPLICATION_PROTOCOL: 'the client does not take our ALPN protocol',
  DECRYPT_ERROR: 'the client could not verify the handshake: look at what is between you and it',
  ACCESS_DENIED: 'the client refuses our certificate by a policy of its own',
  UNRECOGNIZED_NAME: 'the client does not know the name of this server',
  USER_CANCELLED: 'the client cancelled the handshake',
  INTERNAL_ERROR: 'the client has an error of its own: look into its log',
};

/** What is wrong on this side of the handshake. */
const ERRORS: Readonly<Record<string, string>> = {
  UNSUPPORTED_PROTOCOL:
    'the client offers only TLS versions that are too old: update it, or lower min_version',
  VERSION_TOO_LOW:
    'the client offers only TLS versions that are too old: update it, or lower min_version',
  INAPPROPRIATE_FALLBACK: 'the client fell back to an older TLS version than both sides have',
  NO_SHARED_CIPHER: 'the client has no cipher that is allowed here: update it, or widen ciphers',
  NO_SUITABLE_SIGNATURE_ALGORITHM:
    'the client cannot verify the key of our certificate: give the listener a usual kind of key',
  NO_SUITABLE_KEY_SHARE: 'the client has no key exchange in common with us: update it',
  NO_SHARED_GROUP: 'the client has no key exchange in common with us: update it',
  NO_SHARED_GROUPS: 'the client has no key exchange in common with us: update it',
  NO_APPLICATION_PROTOCOL:
    'the client offers only ALPN protocols that are not spoken here: let it offer ours, or none',
  WRONG_VERSION_NUMBER: 'what came after the first byte is not TLS',
  HTTP_REQUEST: 'an HTTP request came to the TLS port: let it use wss:// or https://',
  UNEXPECTED_MESSAGE: 'the client broke the TLS protocol: it sent what may not come now',
  BAD_SIGNATURE: 'the client could not prove that it has the key of its certificate',
  CERTIFICATE_VERIFY_FAILED: 'the certificate of the client does not verify',
  ECONNRESET:
    'the client closed the connection during the handshake: it gave up, or does not trust our certificate, or its name, and does not say so',
  EPIPE:
    'the client closed the connection during the handshake: it gave up, or does not trust our certificate, or its name, and does not say so',
  ETIMEDOUT: 'the network lost the client during the handshake',
};

const UNKNOWN_CERTIFICATE = 'it does not verify: look the code up';
const UNKNOWN_ALERT = 'the client refused the handshake: look into its log';
const UNKNOWN_ERROR = 'the TLS handshake failed: look the code up';

/** Why a client's certificate does not count; `code` is one of OpenSSL's X509_V_ERR_… without that. */
export function describeCertificate(code: string): string {
  return `the client certificate is refused, ${CERTIFICATES[code] ?? UNKNOWN_CERTIFICATE}`;
}

/** Why a handshake failed; `code` is Node's: `ERR_SSL_…`, or one of the system's. */
export function describeFailure(code: string): string {
  // OpenSSL writes the version where an alert came into the world: SSLV3_, TLSV1_, TLSV13_, since 3.2 also SSL/TLS_.
  const alert = /_ALERT_(.+)$/.exec(code)?.[1];
  if (alert !== undefined) return ALERTS[alert] ?? UNKNOWN_ALERT;
  return ERRORS[code.replace(/^ERR_SSL_/, '')] ?? UNKNOWN_ERROR;
}

/** All codes with their sentences, for the documentation. */
export const VERDICTS = { certificates: CERTIFICATES, alerts: ALERTS, errors: ERRORS } as const;
