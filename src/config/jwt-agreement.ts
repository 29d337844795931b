// What of a JWT authenticator is fine alone and wrong together. A public key that could be taken for a secret lets in whoever
// knows it, so that each key says its algorithms, and only such as it can be for.

import { DEFAULT_JWT_KEY, type JwtConfig, type JwtKeyConfig } from './access-config.ts';
import type { Disagreement } from './listener-agreement.ts';
import { isLoopbackUrl } from './loopback.ts';

export function jwtProblems(jwt: JwtConfig): Disagreement[] {
  const problems: Disagreement[] = [];
  const { issuer, audience, notRequired, keys } = jwt;
  if (issuer === null && !notRequired.includes('iss')) {
    const message =
      'type "jwt" is not complete: add the line issuer = "https://…", or not_required = ["iss"] for tokens of anybody who has such a key';
    problems.push({ key: '', message });
  }
  if (audience.length === 0 && !notRequired.includes('aud')) {
    const message =
      'type "jwt" is not complete: add the line audience = ["…"], or not_required = ["aud"] for tokens that are meant for others';
    problems.push({ key: '', message });
  }
  if (keys.length === 0) {
    const message = 'type "jwt" is not complete: add a table of [[authenticators.keys]]';
    problems.push({ key: '', message });
  }
  for (const [index, key] of keys.entries()) problems.push(...keyProblems(key, `keys[${index}]`));
  return problems;
}

function* keyProblems(config: JwtKeyConfig, at: string): Generator<Disagreement> {
  const { algorithms, secret, secretFile, file, url, refreshMs } = config;
  const isSecret = secret !== null || secretFile !== null;
  const said = [isSecret, file !== null, url !== null].filter(Boolean).length;
  if (said !== 1) {
    const right = 'one of secret, secret_file, file and url says what the key is';
    yield { key: at, message: said === 0 ? `is not complete: ${right}` : `only ${right}` };
  } else if (secret !== null && secretFile !== null) {
    const message = 'secret says it already: leave one of the two out';
    yield { key: `${at}.secret_file`, message };
  }
  if (algorithms.length === 0) {
    const example = isSecret ? 'HS256' : 'ES256';
    yield { key: at, message: `is not complete: add the line algorithms = ["${example}"]` };
  } else if (said === 1) {
    const message = algorithmProblem(config);
    if (message !== null) yield { key: `${at}.algorithms`, message };
  }
  if (url !== null && new URL(url).protocol === 'http:' && !isLoopbackUrl(url)) {
    const message = 'whoever is in between could send keys of his own: write https://';
    yield { key: `${at}.url`, message };
  }
  if (url === null && refreshMs !== DEFAULT_JWT_KEY.refreshMs) {
    yield { key: `${at}.refresh`, message: 'does nothing without url' };
  }
}

/** `HS…` is for secrets, all others are for public keys. */
function algorithmProblem({ algorithms, file, url }: JwtKeyConfig): string | null {
  const secret = algorithms.filter((name) => name.startsWith('HS'));
  const open = algorithms.filter((name) => !name.startsWith('HS'));
  if (file !== null) {
    if (secret.length === 0 || open.length === 0) return null;
    return `${secret[0]} is for a secret and ${open[0]} for a public key: write a table of [[authenticators.keys]] for each`;
  }
  if (url !== null) {
    if (secret.length === 0) return null;
    return `${secret[0]} is for a secret, which no URL should give away: name the algorithms of public keys`;
  }
  if (open.length === 0) return null;
  return `${open[0]} is for a public key, which stands in file or url, not in secret: secrets are for HS256, HS384 and HS512`;
}
