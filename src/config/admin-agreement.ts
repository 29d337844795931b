// What of the admin API is fine alone and wrong together, and the files that it names.

import { type AdminConfig, parseAdminUrl } from './admin-config.ts';
import type { Config } from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import { problemOf, readSecret } from './files.ts';
import { isLoopbackAddress } from './loopback.ts';

/** A token that nobody guesses is not shorter. */
const TOKEN_LENGTH_MIN = 32;

/** Nothing of it matters where it is switched off. */
export function adminDisagreements({ admin }: Config): ConfigProblem[] {
  const address = parseAdminUrl(admin.url);
  if (!admin.enabled || typeof address === 'string') return [];
  const { isSecure, host } = address;
  const problems: ConfigProblem[] = [];
  const say = (path: string, message: string) => problems.push({ path, message, line: null });
  if (isSecure && admin.tls === null) {
    say(
      'admin.url',
      'https:// needs a certificate: add [admin.tls] with the lines cert = "server.pem" and key = "server.key"',
    );
  }
  if (!isSecure && admin.tls !== null) {
    say('admin.tls', 'http:// has no TLS: write https:// in url, or leave it out');
  }
  if (admin.tls !== null) {
    const { cert, key, keyPassphrase, keyPassphraseFile } = admin.tls;
    if (cert === '') say('admin.tls', 'is not complete: add the line cert = "server.pem"');
    if (key === '') say('admin.tls', 'is not complete: add the line key = "server.key"');
    if (keyPassphrase !== null && keyPassphraseFile !== null) {
      say(
        'admin.tls.key_passphrase_file',
        'key_passphrase says it already: leave one of the two out',
      );
    }
  }
  if (!isSecure && !admin.insecure && host !== 'localhost' && !isLoopbackAddress(host)) {
    say(
      'admin.url',
      `${admin.url} can be reached from other machines, and tokens would cross the network in the clear: write https:// with [admin.tls], listen on 127.0.0.1 behind a proxy, or, if that network is trusted, add insecure = true`,
    );
  }
  return problems;
}

/** With the passphrase of its file in its place, and what is wrong with the files. */
export async function fillAdmin(
  admin: AdminConfig,
): Promise<{ readonly admin: AdminConfig; readonly problems: readonly ConfigProblem[] }> {
  const problems: ConfigProblem[] = [];
  const note = (path: string, message: string | null): void => {
    if (message !== null) problems.push({ path: `admin.${path}`, message, line: null });
  };
  if (!admin.enabled) return { admin, problems };
  if (admin.tokenFile !== null) {
    const read = await readSecret(admin.tokenFile, 'a token');
    if ('problem' in read) note('token_file', read.problem);
    else note('token_file', tokenProblem(admin.tokenFile, read.text));
  }
  const { tls } = admin;
  if (tls === null) return { admin, problems };
  note('tls.cert', tls.cert === '' ? null : await problemOf(tls.cert));
  note('tls.key', tls.key === '' ? null : await problemOf(tls.key));
  if (tls.keyPassphraseFile === null) return { admin, problems };
  const read = await readSecret(tls.keyPassphraseFile, 'a passphrase');
  if ('problem' in read) note('tls.key_passphrase_file', read.problem);
  const keyPassphrase = 'text' in read ? read.text : null;
  return { admin: { ...admin, tls: { ...tls, keyPassphrase } }, problems };
}

/** Why this cannot be a token of the admin API, or null; the text is not shown. */
function tokenProblem(file: string, text: string): string | null {
  const isRight = text.length >= TOKEN_LENGTH_MIN && /^[A-Za-z0-9._~+/-]{1,512}=*$/.test(text);
  if (isRight) return null;
  return `${file} has no token in it: write ${TOKEN_LENGTH_MIN} to 512 letters, digits and . _ ~ + / - in one line (openssl rand -hex 32 makes one)`;
}
