// The certificate of the admin API: read from its files, and watched for its end as those of the other listeners are.

import { readFile } from 'node:fs/promises';
import type { ListenerCertificate } from '../../admin/admin-listener.ts';
import { AccessError } from '../../auth/access-error.ts';
import type { CertificateConfig } from '../../config/listener-config.ts';
import type { Cancellable } from '../../lib/clock.ts';
import type { CertificateFigures } from '../../server/contract/metrics.ts';
import { readChain } from '../../transport/tls/certificate-files.ts';
import { certificateLives, firstToEnd, type Life } from '../../transport/tls/expiry.ts';
import { ExpiryWarning, type ExpiryWarningOptions } from '../../transport/tls/expiry-warning.ts';
import { expiriesOf } from '../../transport/tls/set.ts';

const HOUR_MS = 3_600_000;

/** What a listener shows, with the lives of what is in its chain. */
export interface AdminCertificate extends ListenerCertificate {
  readonly lives: readonly Life[];
}

/** Rejects with the system's error when a file cannot be read. */
export async function readCertificate(tls: CertificateConfig): Promise<AdminCertificate> {
  const [cert, key] = await Promise.all([readFile(tls.cert), readFile(tls.key)]);
  const { keyPassphrase } = tls;
  const expiries = expiriesOf({ file: tls.cert, chain: readChain(cert.toString('latin1')) });
  const lives = certificateLives({ expiries });
  return { cert, key, lives, ...(keyPassphrase !== null && { passphrase: keyPassphrase }) };
}

/** What OpenSSL says of a certificate or key that cannot be used, as a sentence; null: it is something else. */
export function certificateError(
  error: unknown,
  tls: CertificateConfig | null,
): AccessError | null {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (tls === null || !/^ERR_(?:OSSL|SSL|CRYPTO)/.test(code)) return null;
  const sentence = `and ${tls.key} are no certificate and key that belong together, or the passphrase is wrong: ${message}`;
  return new AccessError([{ file: tls.cert, line: null, message: sentence }]);
}

/** Of the certificate that is shown now. */
export class AdminCertificateExpiry {
  readonly #listener: string;
  readonly #warning: ExpiryWarning;
  readonly #checking: Cancellable;
  #lives: readonly Life[] = [];

  constructor(options: ExpiryWarningOptions) {
    this.#listener = options.listener;
    this.#warning = new ExpiryWarning('certificate_expires', options);
    this.#checking = options.clock.every(HOUR_MS, () => this.#warning.check(this.#lives, false));
  }

  /** This one is shown from now on. */
  use({ lives }: AdminCertificate): void {
    this.#lives = lives;
    this.#warning.check(lives, true);
  }

  get figures(): readonly CertificateFigures[] {
    const first = firstToEnd(this.#lives);
    if (first === null) return [];
    return [{ listener: this.#listener, endsSeconds: first.ends.getTime() / 1_000 }];
  }

  close(): void {
    this.#checking.cancel();
    this.#warning.clear();
  }
}
