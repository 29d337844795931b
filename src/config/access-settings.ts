// The settings of authenticators and authorizers: a row each, and which of them belong to which type.

import {
  type HttpConfig,
  JWT_ALGORITHMS,
  JWT_CLAIMS,
  type JwtAlgorithm,
  type JwtConfig,
  type JwtKeyConfig,
  type ModuleConfig,
  type PasswordFileConfig,
  type UsersConfig,
} from './access-config.ts';
import { nearest } from './nearest.ts';
import {
  choice,
  count,
  durationMs,
  file,
  flag,
  formed,
  list,
  modulePath,
  type Setting,
  secret,
  text,
} from './setting.ts';
import type { Settings } from './settings.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** What others call it by: in lists, variables and log lines. */
export function nameSetting(meaning: string): Setting<string> {
  return formed(
    'name',
    'letters, digits, `.`, `_`, `-`, `/`, `@`; up to 64',
    (name) =>
      /^[A-Za-z0-9._/@-]{1,64}$/.test(name)
        ? null
        : `${JSON.stringify(name)} is not a name: write up to 64 letters, digits and . _ - / @`,
    meaning,
  );
}

const TIMEOUT = { timeoutMs: durationMs(1, 5 * MINUTE_MS, 'Time that an answer may take.') };

export const PASSWORD_FILE_SETTINGS: Settings<PasswordFileConfig> = {
  file: file('User names and hashes of their passwords, as `mosquitto_passwd` writes them.'),
};

export const ACL_FILE_SETTINGS: Settings<PasswordFileConfig> = {
  file: file('Rules in the grammar of Mosquitto’s `acl_file`.'),
};

export const USERS_SETTINGS: Settings<UsersConfig> = {
  scram: flag('Whether SCRAM-SHA-256 (v5) is offered, too.'),
};

export const JWT_SETTINGS: Settings<Omit<JwtConfig, 'keys'>> = {
  issuer: text(1_024, 'What the claim `iss` must be.'),
  audience: list(text(1_024, ''), 'Of which the claim `aud` must have one.', { min: 1 }),
  notRequired: list(
    choice(JWT_CLAIMS, ''),
    'Claims without which a token is good, too. Without `iss` in it `issuer` must be said, without `aud` `audience`.',
  ),
  usernameClaim: text(256, 'The claim that is the user name.'),
  clientIdClaim: text(256, 'The claim that the client id must be; left out, any will do.'),
  groupsClaim: text(256, 'The claim that lists the groups of the user.'),
  aclClaim: text(256, 'The claim with rules of its own, for the authorizer `claims`.'),
  leewayMs: durationMs(0, 10 * MINUTE_MS, 'How much clocks may differ.'),
  tokenIn: choice(['password', 'username'], 'Where CONNECT has the token.'),
};

export const JWT_KEY_SETTINGS: Settings<JwtKeyConfig> = {
  id: text(1_024, 'Only for tokens with this `kid`; left out, for all.'),
  algorithms: list(
    formed('algorithm', JWT_ALGORITHMS.join(', '), algorithmProblem, '') as Setting<JwtAlgorithm>,
    'What tokens may be signed with; no other is accepted with this key. Must be said.',
    { min: 1 },
  ),
  secret: secret(4_096, 'The secret of `HS…` algorithms.'),
  secretFile: file('A file that has the secret; a newline at its end does not count.'),
  file: file('A public key (PEM), or keys as JWK or JWKS (JSON).'),
  url: formed(
    'URL',
    '`https://…`, on loopback also `http://…`',
    (url) => urlProblem(url, false),
    'Where public keys (JWKS) are fetched.',
  ),
  refreshMs: durationMs(1_000, DAY_MS, 'How often they are fetched from `url`.'),
};

function algorithmProblem(algorithm: string): string | null {
  const known: readonly string[] = JWT_ALGORITHMS;
  if (known.includes(algorithm)) return null;
  if (algorithm.toLowerCase() === 'none') return '"none" is no signature: anybody could write it';
  const near = nearest(algorithm, known);
  const right = near === null ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
  return `${JSON.stringify(algorithm)} is not an algorithm; ${right}`;
}

const URL_SETTING = formed(
  'URL',
  '`https://…`, on loopback also `http://…`',
  (url) => urlProblem(url, true),
  'The endpoint that is asked.',
);

export const HTTP_SETTINGS: Settings<Omit<HttpConfig, 'headers'>> = {
  url: URL_SETTING,
  method: choice(['POST', 'GET'], 'How it is asked: with JSON, or with parameters in the URL.'),
  ca: file('Who signs its certificate (PEM); left out, whom Node.js believes.'),
  insecure: flag('Whether it may be plain `http://` on another machine.'),
  ...TIMEOUT,
  concurrency: count(1, 10_000, 'Questions at the same time.'),
  queueMax: count(0, 1_000_000, 'Questions that wait; more are refused.'),
  cacheTtlMs: durationMs(0, HOUR_MS, 'How long an answer is remembered; 0 remembers none.'),
  cacheMax: count(1, 1_000_000, 'How many answers are remembered.'),
  circuitFailures: count(1, 10_000, 'After so many failures in a row it is left alone.'),
  circuitOpenMs: durationMs(1, HOUR_MS, 'For how long it is left alone; all is refused meanwhile.'),
};

export const HTTP_AUTHENTICATOR_SETTINGS = {
  ...HTTP_SETTINGS,
  seesAnonymous: flag('Whether it is asked about clients without user name and password, too.'),
};

export const MODULE_SETTINGS: Settings<Pick<ModuleConfig, 'timeoutMs'>> = TIMEOUT;

/** What is wrong with the URL of an endpoint, or null; no message shows what may be a secret. */
export function urlProblem(text: string, mayBePlain: boolean): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return 'it is not the URL of an endpoint: write https://host/path';
  }
  if (url.username !== '' || url.password !== '') {
    const right = mayBePlain ? ': write an authorization of [….headers] instead' : '';
    return `a user or password may not stand in a URL, which logs show${right}`;
  }
  if (url.hash !== '') return 'it has a #, which no endpoint gets to see: leave it out';
  return null;
}

/** What one type has. */
export interface TypeKeys {
  /** By their names in the program. */
  readonly settings: Readonly<Record<string, Setting<unknown>>>;
  readonly tables: readonly string[];
  /** The key that it cannot do without, and how it is written. */
  readonly needs: Readonly<Record<string, string>>;
  /** A second one would do the same. */
  readonly isSingle: boolean;
}

function type(
  settings: object,
  tables: readonly string[] = [],
  needs: Readonly<Record<string, string>> = {},
  isSingle = false,
): TypeKeys {
  const rows = settings as Readonly<Record<string, Setting<unknown>>>;
  return { settings: rows, tables, needs, isSingle };
}

const URL_LINE = { url: 'url = "https://host/path"' };
const MODULE_TYPE = type(MODULE_SETTINGS, ['options']);

/** `module`: any other name. */
export const AUTHENTICATOR_TYPES = {
  'password-file': type(PASSWORD_FILE_SETTINGS, [], { file: 'file = "passwords"' }),
  users: type(USERS_SETTINGS, [], {}, true),
  certificate: type({}, [], {}, true),
  jwt: type(JWT_SETTINGS, ['keys']),
  http: type(HTTP_AUTHENTICATOR_SETTINGS, ['headers'], URL_LINE),
  module: MODULE_TYPE,
} as const;

export const AUTHORIZER_TYPES = {
  'acl-file': type(ACL_FILE_SETTINGS, [], { file: 'file = "acl"' }),
  rules: type({}, [], {}, true),
  claims: type({}, [], {}, true),
  http: type(HTTP_SETTINGS, ['headers'], URL_LINE),
  module: MODULE_TYPE,
} as const;

/** A type of ours, or `module`. */
export function kindOf<T extends object>(written: unknown, types: T): keyof T | 'module' {
  return typeof written === 'string' && Object.hasOwn(types, written)
    ? (written as keyof T)
    : 'module';
}

export const COMMON_AUTHENTICATOR_SETTINGS = {
  type: modulePath(
    '`password-file`, `users` (the server’s own database), `certificate`, `jwt`, `http`; or the path of a module (`./mine.js`, seen from this file) or the name of a package that is an authenticator.',
  ),
  name: nameSetting('What it is called in `authenticators` of listeners and in the log; the type.'),
};

export const COMMON_AUTHORIZER_SETTINGS = {
  type: modulePath(
    '`acl-file` (Mosquitto’s), `rules` (`[[rules]]`), `claims` (of a token), `http`; or the path of a module (`./mine.js`, seen from this file) or the name of a package that is an authorizer.',
  ),
  name: nameSetting('What it is called in the log; the type.'),
};

/** All that may stand in such a table, whatever its type. */
export const AUTHENTICATOR_SETTINGS = {
  ...COMMON_AUTHENTICATOR_SETTINGS,
  ...PASSWORD_FILE_SETTINGS,
  ...USERS_SETTINGS,
  ...JWT_SETTINGS,
  ...HTTP_AUTHENTICATOR_SETTINGS,
};

export const AUTHORIZER_SETTINGS = {
  ...COMMON_AUTHORIZER_SETTINGS,
  ...ACL_FILE_SETTINGS,
  ...HTTP_SETTINGS,
};
