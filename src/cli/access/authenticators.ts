// From [[authenticators]] to the ones that a server asks: each once, and a chain of them for every way in which listeners put
// them together.

import { AccessError } from '../../auth/access-error.ts';
import type { Authenticator } from '../../auth/auth.ts';
import { AuthenticatorChain, type ChainMember } from '../../auth/chain.ts';
import {
  type AuthenticatorConfig,
  admitsAnonymous,
  authenticatorsOf,
  type GroupConfig,
  isGuarded,
} from '../../config/access-config.ts';
import type { Config } from '../../config/config.ts';
import type { ListenerConfig } from '../../config/listener-config.ts';
import { Glob } from '../../lib/glob.ts';
import type { Inventory } from './inventory.ts';
import { buildJwt } from './jwt.ts';
import { baseOf, httpOptions, type Part } from './parts.ts';
import type { AccessServices } from './services.ts';

/** Of those that answer at once, or end by themselves. */
const TIMEOUT_MS = 10_000;

/** The name of the chain that a listener's clients are asked by; undefined where nobody is asked. */
export function authenticatorKey(config: Config, listener: ListenerConfig): string | undefined {
  if (!isGuarded(config)) return undefined;
  const names = authenticatorsOf(config, listener).map(({ name }) => name);
  return `${names.join(',')}${admitsAnonymous(config, listener) ? '+anonymous' : ''}`;
}

/** All of them, by their names. Throws AccessError with what is wrong with one. */
export async function buildAuthenticator(
  one: AuthenticatorConfig,
  config: Config,
  services: AccessServices,
): Promise<Part<ChainMember>> {
  const { name } = one;
  const { clock, credentials: cache, hasher, logger } = services;
  const member = (authenticator: Authenticator, more: Partial<ChainMember> = {}): ChainMember => ({
    name,
    authenticator,
    timeoutMs: TIMEOUT_MS,
    ...more,
  });
  switch (one.kind) {
    case 'password-file': {
      const { PasswordFileAuthenticator } = await import(
        '../../auth/passwords/password-file-authenticator.ts'
      );
      const { strictPermissions } = config.access;
      const { file } = one;
      const made = await PasswordFileAuthenticator.load({
        ...{ name, file, hasher, cache, strictPermissions },
      });
      const { users, warnings } = made.passwords;
      return {
        made: member(made),
        warnings,
        inventories: [await usersIn(file, users)],
      };
    }
    case 'users': {
      const { UsersAuthenticator } = await import('../../auth/users/users-authenticator.ts');
      if (services.users === null) {
        const message = `${name}: this server has no store that users could be in (storage.type)`;
        throw new AccessError([{ file: null, line: null, message }]);
      }
      const { users: database } = services;
      const made = new UsersAuthenticator({ name, database, hasher, cache, scram: one.scram });
      return { made: member(made) };
    }
    case 'certificate': {
      const { CertificateAuthenticator } = await import('../../auth/certificate.ts');
      return { made: member(new CertificateAuthenticator({ name })) };
    }
    case 'jwt':
      return buildJwt(name, one, config, services);
    case 'http': {
      const { HttpAuthenticator } = await import('../../auth/http/authenticator.ts');
      const made = await HttpAuthenticator.load(httpOptions(name, one, services), one.ca);
      const { seesAnonymous } = one;
      return { made: member(made, { seesAnonymous }) };
    }
    case 'module': {
      const { loadAuthenticatorModule } = await import('../../auth/module.ts');
      const { module: type, options, timeoutMs } = one;
      const base = baseOf(type);
      const made = await loadAuthenticatorModule({
        ...{ name, type, base, options, timeoutMs, logger, clock },
      });
      return { made: member(made, { timeoutMs }) };
    }
  }
}

async function usersIn(
  file: string,
  users: ReadonlyMap<string, import('../../auth/passwords/password-hash.ts').PasswordHash>,
): Promise<Inventory> {
  const { markOf } = await import('../../auth/passwords/password-hash.ts');
  const entries = new Map([...users].map(([username, hash]) => [username, markOf(hash)]));
  return { title: `users of ${file}`, file, entries };
}

/** The chains that the listeners need, by their names, and one for whoever comes by none. */
export function chainsOf(
  config: Config,
  members: ReadonlyMap<string, ChainMember>,
  { clock, logger }: AccessServices,
): { readonly all: AuthenticatorChain; readonly byKey: Record<string, AuthenticatorChain> } {
  const groupsOf = groupsBy(config.groups);
  const chain = (names: readonly AuthenticatorConfig[], anonymous: boolean) =>
    new AuthenticatorChain({
      members: names.flatMap(({ name }) => members.get(name) ?? []),
      ...{ anonymous, clock, logger, groupsOf },
    });
  const byKey: Record<string, AuthenticatorChain> = {};
  for (const listener of config.listeners) {
    const key = authenticatorKey(config, listener);
    if (key === undefined || byKey[key] !== undefined) continue;
    byKey[key] = chain(authenticatorsOf(config, listener), admitsAnonymous(config, listener));
  }
  return { all: chain(config.authenticators, false), byKey };
}

/** What a user belongs to by the configuration. */
export function groupsBy(groups: readonly GroupConfig[]): (username: string) => readonly string[] {
  const compiled = groups.map(({ name, users }) => ({
    name,
    globs: users.map((user) => new Glob(user)),
  }));
  return (username) =>
    compiled
      .filter(({ globs }) => globs.some((glob) => glob.matches(username)))
      .map(({ name }) => name);
}
