// The files that access control names: whether they can be read, and the secrets that stand in them.

import path from 'node:path';
import type { AuthenticatorConfig, AuthorizerConfig, JwtKeyConfig } from './access-config.ts';
import { type Config, freeze } from './config.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { problemOf, readSecret } from './files.ts';

type Chains = Pick<Config, 'authenticators' | 'authorizers'>;

/** The authenticators and authorizers with the secrets of their files in their places, and what is wrong with the files. */
export async function fillAccess(config: Chains): Promise<Chains & { problems: ConfigProblem[] }> {
  const problems: ConfigProblem[] = [];
  const authenticators: AuthenticatorConfig[] = [];
  for (const [index, one] of config.authenticators.entries()) {
    const at = `authenticators[${index}]`;
    problems.push(...(await fileProblems(one, at)));
    if (one.kind !== 'jwt') {
      authenticators.push(one);
      continue;
    }
    const keys: JwtKeyConfig[] = [];
    for (const [position, key] of one.keys.entries()) {
      keys.push(await fillKey(key, `${at}.keys[${position}]`, problems));
    }
    authenticators.push({ ...one, keys });
  }
  for (const [index, one] of config.authorizers.entries()) {
    problems.push(...(await fileProblems(one, `authorizers[${index}]`)));
  }
  return { authenticators, authorizers: config.authorizers, problems };
}

/** The configuration with the secrets that those files hold now; it is the same in all else. Throws ConfigError. */
export async function withSecretsOfNow(config: Config, file: string | null): Promise<Config> {
  const { problems, ...chains } = await fillAccess(config);
  if (problems.length > 0) throw new ConfigError(file, problems);
  return freeze({ ...config, ...chains });
}

async function fileProblems(
  one: AuthenticatorConfig | AuthorizerConfig,
  at: string,
): Promise<ConfigProblem[]> {
  const [key, file] = fileOf(one);
  const message = await problemOf(file);
  return message === null ? [] : [{ path: `${at}.${key}`, message, line: null }];
}

/** The file that it names, if it names one, and the key that does. */
function fileOf(one: AuthenticatorConfig | AuthorizerConfig): [key: string, file: string | null] {
  switch (one.kind) {
    case 'password-file':
    case 'acl-file':
      return ['file', one.file];
    case 'http':
      return ['ca', one.ca];
    case 'module':
      return ['type', path.isAbsolute(one.module) ? one.module : null];
    default:
      return ['file', null];
  }
}

async function fillKey(
  key: JwtKeyConfig,
  at: string,
  problems: ConfigProblem[],
): Promise<JwtKeyConfig> {
  const unreadable = await problemOf(key.file);
  if (unreadable !== null) problems.push({ path: `${at}.file`, message: unreadable, line: null });
  if (key.secretFile === null) return key;
  const secret = await readSecret(key.secretFile, 'a secret');
  if ('text' in secret) return { ...key, secret: secret.text };
  problems.push({ path: `${at}.secret_file`, message: secret.problem, line: null });
  return key;
}
