// Who shows a client certificate is who it says: TLS has verified it, and its listener says where in it the name stands. A
// password that comes with it is not looked at, and neither is another user name: on such listeners CONNECT cannot say one.

import { ReasonCode } from '../protocol/reason-code.ts';
import type { Authenticator, ConnectRequest, Decision } from './auth.ts';

export interface CertificateAuthenticatorOptions {
  /** Its name in the configuration. */
  readonly name: string;
}

export class CertificateAuthenticator implements Authenticator {
  readonly name: string;

  constructor({ name }: CertificateAuthenticatorOptions) {
    this.name = name;
  }

  /** 'next' for a client without a certificate, and for one whose certificate names nobody. */
  authenticate({ certificate }: ConnectRequest): Decision {
    const username = certificate?.username ?? certificate?.clientId ?? '';
    if (certificate === null || username === '') return 'next';
    const objection = certificate.objection();
    if (objection === null) return { reasonCode: ReasonCode.Success, username };
    return {
      reasonCode: ReasonCode.NotAuthorized,
      reasonString: objection,
      detail: `${certificate.subject}: ${objection}`,
    };
  }
}
