// From tables of access control to what the program reads: of each authenticator and authorizer what its type has, and nothing
// else. Everything in them was checked by itself before.

import path from 'node:path';
import {
  type AuthenticatorConfig,
  type AuthorizerConfig,
  DEFAULT_ACCESS,
  DEFAULT_HTTP,
  DEFAULT_JWT,
  DEFAULT_JWT_KEY,
  DEFAULT_MODULE,
  DEFAULT_PENALTIES,
  DEFAULT_QUOTA,
  DEFAULT_RULE,
  DEFAULT_USERS,
  type GroupConfig,
  type HttpConfig,
  type JwtConfig,
  type JwtKeyConfig,
  type ModuleConfig,
  type QuotaConfig,
  type RuleConfig,
} from './access-config.ts';
import {
  ACL_FILE_SETTINGS,
  AUTHENTICATOR_TYPES,
  AUTHORIZER_TYPES,
  HTTP_AUTHENTICATOR_SETTINGS,
  HTTP_SETTINGS,
  JWT_KEY_SETTINGS,
  JWT_SETTINGS,
  kindOf,
  MODULE_SETTINGS,
  PASSWORD_FILE_SETTINGS,
  USERS_SETTINGS,
} from './access-settings.ts';
import type { Config } from './config.ts';
import { formatListenerUrl, parseListenerUrl } from './listener-url.ts';
import { named, type RawConfig, type RawTable } from './raw.ts';
import {
  ACCESS_SETTINGS,
  GROUP_SETTINGS,
  PENALTIES_SETTINGS,
  QUOTA_SETTINGS,
  RULE_SETTINGS,
} from './rule-settings.ts';

type AccessPart =
  | 'authenticators'
  | 'authorizers'
  | 'rules'
  | 'groups'
  | 'access'
  | 'penalties'
  | 'quotas';

/** `base`: the folder from which paths of files are seen. */
export function composeAccess(raw: RawConfig, base: string): Pick<Config, AccessPart> {
  return {
    authenticators: (raw.authenticators ?? []).map((one) => authenticatorOf(one, base)),
    authorizers: authorizersOf(raw, base),
    rules: (raw.rules ?? []).map((rule) => ruleOf(rule, base)),
    groups: (raw.groups ?? []).map(groupOf),
    access: laidOver(DEFAULT_ACCESS, ACCESS_SETTINGS, raw.access, base),
    penalties: laidOver(DEFAULT_PENALTIES, PENALTIES_SETTINGS, raw.penalties, base),
    quotas: (raw.quotas ?? []).map((quota) => quotaOf(quota, base)),
  };
}

function laidOver<T extends object>(
  defaults: T,
  settings: object,
  raw: RawTable | undefined,
  base: string,
): T {
  return { ...defaults, ...(named(settings, raw, base) as Partial<T>) };
}

/** What an authenticator or authorizer is called. */
export function nameOf({ name, type }: RawTable): string {
  return String(name ?? type ?? '');
}

function authenticatorOf(raw: RawTable, base: string): AuthenticatorConfig {
  const name = nameOf(raw);
  const kind = kindOf(raw.type, AUTHENTICATOR_TYPES);
  switch (kind) {
    case 'password-file':
      return { kind, name, ...laidOver({ file: '' }, PASSWORD_FILE_SETTINGS, raw, base) };
    case 'users':
      return { kind, name, ...laidOver(DEFAULT_USERS, USERS_SETTINGS, raw, base) };
    case 'certificate':
      return { kind, name };
    case 'jwt':
      return { kind, name, ...jwtOf(raw, base) };
    case 'http': {
      const said = laidOver(DEFAULT_HTTP, HTTP_AUTHENTICATOR_SETTINGS, raw, base);
      return { kind, name, ...said, headers: headersOf(raw) };
    }
    case 'module':
      return { kind, name, ...moduleOf(raw, base) };
  }
}

/** Rules that nobody names are asked, when there is nothing else that could be. */
function authorizersOf(raw: RawConfig, base: string): AuthorizerConfig[] {
  const { authorizers = [], rules = [] } = raw;
  if (authorizers.length > 0) return authorizers.map((one) => authorizerOf(one, base));
  return rules.length === 0 ? [] : [{ kind: 'rules', name: 'rules' }];
}

function authorizerOf(raw: RawTable, base: string): AuthorizerConfig {
  const name = nameOf(raw);
  const kind = kindOf(raw.type, AUTHORIZER_TYPES);
  switch (kind) {
    case 'acl-file':
      return { kind, name, ...laidOver({ file: '' }, ACL_FILE_SETTINGS, raw, base) };
    case 'rules':
    case 'claims':
      return { kind, name };
    case 'http': {
      const { seesAnonymous, ...defaults } = DEFAULT_HTTP;
      const said: HttpConfig = laidOver(defaults, HTTP_SETTINGS, raw, base);
      return { kind, name, ...said, headers: headersOf(raw) };
    }
    case 'module':
      return { kind, name, ...moduleOf(raw, base) };
  }
}

function jwtOf(raw: RawTable, base: string): JwtConfig {
  const keys = (raw.keys ?? []) as readonly RawTable[];
  return {
    ...laidOver(DEFAULT_JWT, JWT_SETTINGS, raw, base),
    keys: keys.map((key): JwtKeyConfig => laidOver(DEFAULT_JWT_KEY, JWT_KEY_SETTINGS, key, base)),
  };
}

function headersOf(raw: RawTable): Readonly<Record<string, string>> {
  return (raw.headers ?? {}) as Readonly<Record<string, string>>;
}

function moduleOf(raw: RawTable, base: string): ModuleConfig {
  const type = String(raw.type ?? '');
  return {
    ...laidOver(DEFAULT_MODULE, MODULE_SETTINGS, raw, base),
    module: isModulePath(type) ? path.resolve(base, type) : type,
    options: (raw.options ?? {}) as Readonly<Record<string, unknown>>,
  };
}

/** Whether a type is the path of a module, not the name of a package. */
function isModulePath(type: string): boolean {
  return type.startsWith('.') || path.isAbsolute(type);
}

/** Where it is written comes with the file; see load.ts. */
function ruleOf(raw: RawTable, base: string): RuleConfig {
  const rule = laidOver(DEFAULT_RULE, RULE_SETTINGS, raw, base);
  return { ...rule, listeners: rule.listeners?.map(sameListenerUrl) ?? null };
}

/** The URL of a listener as its own configuration has it. */
function sameListenerUrl(text: string): string {
  const read = parseListenerUrl(text);
  return typeof read === 'string' ? text : formatListenerUrl(read);
}

function groupOf(raw: RawTable): GroupConfig {
  return { name: '', users: [], ...named(GROUP_SETTINGS, raw, '') };
}

function quotaOf(raw: RawTable, base: string): QuotaConfig {
  const quota = laidOver(DEFAULT_QUOTA, QUOTA_SETTINGS, raw, base);
  return {
    ...quota,
    messagesBurst: quota.messagesBurst ?? quota.messagesPerSecond,
    bytesBurst: quota.bytesBurst ?? quota.bytesPerSecond,
  };
}
