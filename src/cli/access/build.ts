// Access control as it is configured, built as a whole: everything is read and checked before any of it is in force, and what
// is wrong is said all at once.

import { AccessError, type AccessProblem } from '../../auth/access-error.ts';
import type { ChainMember } from '../../auth/chain.ts';
import { isGuarded } from '../../config/access-config.ts';
import type { Config } from '../../config/config.ts';
import type { AccessOptions } from '../../server/access-control.ts';
import { buildAuthenticator, chainsOf, groupsBy } from './authenticators.ts';
import { buildAuthorizer } from './authorizers.ts';
import { exposedSecrets } from './exposed.ts';
import type { Inventory } from './inventory.ts';
import type { Part } from './parts.ts';
import type { AccessServices } from './services.ts';

export interface BuiltAccess {
  readonly options: AccessOptions;
  readonly warnings: readonly AccessProblem[];
  readonly inventories: readonly Inventory[];
  /** What a user belongs to by the configuration, and by the users of the store where they are asked. */
  groupsOf(username: string): readonly string[];
  /** It is in force from now on. */
  keep(): void;
  /** It never was, or is not any more. */
  drop(): Promise<void>;
}

/** Throws AccessError with everything that is wrong. */
export async function buildAccess(config: Config, services: AccessServices): Promise<BuiltAccess> {
  const { access, secretsIn } = config;
  const files = secretsIn === null ? [] : [secretsIn];
  const exposed = await exposedSecrets(files, access.strictPermissions);
  const built = await buildParts(config, services);
  return { ...built, warnings: [...exposed, ...built.warnings] };
}

async function buildParts(config: Config, services: AccessServices): Promise<BuiltAccess> {
  const { access } = config;
  const accessRules = {
    deniedV3: access.deniedV3,
    sessionOwner: access.sessionOwner,
    decisionsMax: access.decisionsMax,
  };
  const groupsOf = allGroupsOf(config, services);
  if (!isGuarded(config)) return built({ accessRules }, groupsOf, [], []);
  const problems: AccessProblem[] = [];
  const gather = async <T>(making: readonly Promise<Part<T>>[]): Promise<Part<T>[]> => {
    const settled = await Promise.allSettled(making);
    return settled.flatMap((one) => {
      if (one.status === 'fulfilled') return one.value;
      problems.push(...problemsOf(one.reason));
      return [];
    });
  };
  const { authenticators, authorizers } = config;
  const who = await gather(authenticators.map((one) => buildAuthenticator(one, config, services)));
  const what = await gather(authorizers.map((one) => buildAuthorizer(one, config, services)));
  const parts = [...who, ...what];
  if (problems.length > 0) {
    await dropAll(parts);
    throw new AccessError(problems);
  }
  const members = new Map(who.map(({ made }): [string, ChainMember] => [made.name, made]));
  const { all, byKey } = chainsOf(config, members, services);
  const chains = [all, ...Object.values(byKey)];
  const options = { authenticator: all, authenticators: byKey, accessRules };
  if (what.length === 0) return built(options, groupsOf, parts, chains);
  const { AuthorizerChain } = await import('../../auth/acl/authorizer-chain.ts');
  const { clock, logger } = services;
  const { suback } = access;
  const asked = what.map(({ made }) => made);
  const authorizer = new AuthorizerChain({ members: asked, clock, logger, suback });
  return built({ ...options, authorizer }, groupsOf, parts, [...chains, authorizer]);
}

function allGroupsOf(
  { authenticators, groups }: Config,
  { users }: AccessServices,
): BuiltAccess['groupsOf'] {
  const configured = groupsBy(groups);
  if (users === null || !authenticators.some(({ kind }) => kind === 'users')) return configured;
  return (username) => [...(users.find(username)?.groups ?? []), ...configured(username)];
}

/** Whether all of it could be built, but for what needs the store. Throws AccessError; nothing stays. */
export async function checkAccess(
  config: Config,
  services: AccessServices,
): Promise<BuiltAccess['warnings']> {
  const authenticators = config.authenticators.filter(({ kind }) => kind !== 'users');
  try {
    const built = await buildAccess({ ...config, authenticators }, services);
    await built.drop();
    return built.warnings;
  } finally {
    await services.close();
  }
}

interface Closable {
  close?(): void | PromiseLike<void>;
}

type AnyPart = Part<{ readonly authenticator: Closable } | { readonly authorizer: Closable }>;

function built(
  options: AccessOptions,
  groupsOf: BuiltAccess['groupsOf'],
  parts: readonly AnyPart[],
  chains: readonly Closable[],
): BuiltAccess {
  return {
    options,
    groupsOf,
    warnings: parts.flatMap(({ warnings = [] }) => warnings),
    inventories: parts.flatMap(({ inventories = [] }) => inventories),
    keep() {
      for (const { onKept } of parts) onKept?.();
    },
    async drop() {
      await Promise.all([...chains.map((chain) => chain.close?.()), dropAll(parts)]);
    },
  };
}

/** None waits for another, which may hang. */
async function dropAll(parts: readonly AnyPart[]): Promise<void> {
  const dropping = parts.map(async ({ made, onDropped }) => {
    onDropped?.();
    await ('authenticator' in made ? made.authenticator : made.authorizer).close?.();
  });
  await Promise.all(dropping);
}

function problemsOf(error: unknown): readonly AccessProblem[] {
  if (error instanceof AccessError) return error.problems;
  const message = error instanceof Error ? error.message : String(error);
  return [{ file: null, line: null, message }];
}
