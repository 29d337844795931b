// What a PROXY protocol header says, whichever version it came in. The header is what a balancer puts in front of the bytes of
// a client, so that the server sees whom it talks to; it is only as true as the balancer, so it counts only from a trusted one.

/** Bytes of one header that are read at most, all of it; the largest that HAProxy sends with every option is half of that. */
export const PROXY_HEADER_BYTES_MAX = 4_096;

export interface ProxySource {
  /** In the one spelling of `normalizeAddress`. */
  readonly address: string;
  readonly port: number;
}

/** What the balancer says about the TLS that it took off. */
export interface ProxyTls {
  /** Whether the client came over TLS; without it nothing below is set. */
  readonly isTls: boolean;
  /** Whether the client showed a certificate, and the balancer verified it. */
  readonly isCertificateVerified: boolean;
  /** `TLSv1.3` */
  readonly version: string | null;
  readonly cipher: string | null;
  /** Common name of the certificate; null unless it is verified. */
  readonly commonName: string | null;
  /** The certificate itself in DER, a copy; null unless it is verified. */
  readonly certificate: Uint8Array | null;
}

export interface ProxyHeader {
  readonly kind: 'header';
  readonly version: 1 | 2;
  /** Length of the header: what the client sent begins there. */
  readonly bytes: number;
  /** The client; null if the header does not say (LOCAL, UNKNOWN, no TCP), and the socket's own address counts. */
  readonly source: ProxySource | null;
  /** Path of the client's own unix socket, if it came to the balancer by one and has a path. */
  readonly unixPath: string | null;
  /** Null if the header does not speak of TLS. */
  readonly tls: ProxyTls | null;
  /** The protocol that client and balancer agreed on. */
  readonly alpn: string | null;
  /** The host name that the client asked for (SNI). */
  readonly authority: string | null;
  /** The balancer's name for the connection; as `0x…` if it is no text. */
  readonly uniqueId: string | null;
  readonly networkNamespace: string | null;
}

export type ProxyHeaderResult =
  | ProxyHeader
  /** All is well so far; the header is not complete. */
  | { readonly kind: 'more' }
  /** The connection must be closed; `why` is for the operator. */
  | { readonly kind: 'invalid'; readonly why: string };

export const MORE: ProxyHeaderResult = { kind: 'more' };

export function invalid(why: string): ProxyHeaderResult {
  return { kind: 'invalid', why };
}

/** A header that says nothing but, maybe, who the client is. */
export function headerOf(
  version: 1 | 2,
  bytes: number,
  source: ProxySource | null,
  unixPath: string | null = null,
): ProxyHeader {
  return {
    kind: 'header',
    version,
    bytes,
    source,
    unixPath,
    tls: null,
    alpn: null,
    authority: null,
    uniqueId: null,
    networkNamespace: null,
  };
}

/** `0x0d` */
export function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
