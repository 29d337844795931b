// What a TLS listener is told: which files, which versions, who must show a certificate and what it says about him. Plain values,
// as the configuration gives them; set.ts finds out whether they fit together.

/** A certificate with its key. */
export interface CertificateFiles {
  /** Path of a PEM file: the server's own certificate first, then its chain. */
  readonly cert: string;
  /** Path of a PEM file. */
  readonly key: string;
  readonly passphrase?: string;
}

/** What in a client's certificate says who it is: RFC 5280 §4.1.2.6 and §4.2.1.6. */
export type IdentityKind =
  | 'none'
  | 'cn'
  | 'subject'
  | 'san-dns'
  | 'san-email'
  | 'san-uri'
  | 'san-ip';

export interface TlsOptions extends CertificateFiles {
  /** Path of a PEM file: those who issue client certificates, up to their roots. */
  readonly ca?: string;
  /** Path of a PEM or DER file: one list of each authority in `ca`. */
  readonly crl?: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** In OpenSSL's notation. */
  readonly ciphers?: string;
  readonly clientCertificate: 'none' | 'optional' | 'required';
  /** Who a verified client certificate is. */
  readonly identity: IdentityKind;
  readonly identityAs: 'username' | 'client-id';
  /** Certificates for other names, by SNI; a name may begin with `*.`, which stands for one label. */
  readonly sni: readonly (CertificateFiles & { readonly hosts: readonly string[] })[];
  /** `['mqtt']`, or `['http/1.1']` for WebSocket. */
  readonly alpn: readonly string[];
  /** Connected clients whose certificate a reload revokes, or that expires, are ended. */
  readonly endsRevoked: boolean;
}
