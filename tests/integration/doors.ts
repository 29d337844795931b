// The doors of a server as its command line names them, and the certificates that some of them need, as files.

import { Authority, type CertificateOptions } from '../support/certificates.ts';
import { MaterialFolder } from '../transport/tls/material-folder.ts';

/** A CA, and what it signed for a server at `localhost` and 127.0.0.1, written to a folder that is gone with the process. */
export class Certificates {
  readonly authority = Authority.root();
  readonly server = this.authority.server();
  readonly #folder = new MaterialFolder();
  readonly ca = this.write('ca.pem', this.authority.issued.cert);
  readonly serverFiles = this.#folder.pair('server', this.server);

  /** Writes a file; its path. */
  write(name: string, content: string): string {
    return this.#folder.write(name, content);
  }

  /** A client's certificate and key, as files. */
  client(options: CertificateOptions): { readonly cert: string; readonly key: string } {
    return this.#folder.pair('client', this.authority.client(options));
  }
}

export const TRANSPORTS = ['tcp', 'tls', 'ws', 'wss'] as const;
export type Transport = (typeof TRANSPORTS)[number];

const URLS: Readonly<Record<Transport, string>> = {
  tcp: 'mqtt://127.0.0.1:0',
  tls: 'mqtts://127.0.0.1:0',
  ws: 'ws://127.0.0.1:0/mqtt',
  wss: 'wss://127.0.0.1:0/mqtt',
};

/** The arguments for a listener; `url` has another port than a free one. */
export function listener(
  transport: Transport,
  certificates: Certificates,
  parameters: Readonly<Record<string, string>> = {},
  url = URLS[transport],
): string[] {
  const isEncrypted = transport === 'tls' || transport === 'wss';
  const all = { ...(isEncrypted ? certificates.serverFiles : {}), ...parameters };
  const query = new URLSearchParams(all).toString().replaceAll('+', '%20');
  return ['--listener', query === '' ? url : `${url}?${query}`];
}
