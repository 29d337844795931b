// A folder with the files of a TLS listener, for the tests of what is made of them.

import { mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { TlsOptions } from '../../../src/transport/tls/options.ts';
import { temporaryFolder } from '../../kit/folder.ts';
import type { Issued } from '../../support/certificates.ts';

const BASE = temporaryFolder();

export class MaterialFolder {
  readonly path = mkdtempSync(path.join(BASE, 'material-'));

  /** Writes a file; its path. */
  write(name: string, content: string | Uint8Array): string {
    const file = path.join(this.path, name);
    writeFileSync(file, content);
    return file;
  }

  /** Writes `<name>.crt`, the chain behind the certificate, and `<name>.key`. */
  pair(name: string, issued: Issued, chain = ''): { cert: string; key: string } {
    return {
      cert: this.write(`${name}.crt`, issued.cert + chain),
      key: this.write(`${name}.key`, issued.key),
    };
  }
}

/** The options of a listener that asks nobody for a certificate, with changes. */
export function tlsOptions(
  files: { readonly cert: string; readonly key: string },
  changes: Partial<TlsOptions> = {},
): TlsOptions {
  return {
    ...files,
    minVersion: 'TLSv1.2',
    clientCertificate: 'none',
    identity: 'none',
    identityAs: 'username',
    sni: [],
    alpn: ['mqtt'],
    endsRevoked: true,
    ...changes,
  };
}
