// What is configured of access control: who is asked who a client is, who is asked what it may do, rules, groups, penalties and
// quotas. All of it checked, complete and frozen; paths of files are absolute, secrets of files in their places.

import type { Config } from './config.ts';
import type { ListenerConfig } from './listener-config.ts';

export interface PasswordFileConfig {
  readonly file: string;
}

export interface UsersConfig {
  /** Whether SCRAM-SHA-256 is offered besides passwords. */
  readonly scram: boolean;
}

export const JWT_ALGORITHMS = [
  'HS256',
  'HS384',
  'HS512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

/** One of `secret`, `file` and `url` is there. */
export interface JwtKeyConfig {
  /** The `kid` of tokens that it is for; null = for all. */
  readonly id: string | null;
  /** At least one. */
  readonly algorithms: readonly JwtAlgorithm[];
  /** Also when it came from `secretFile`. */
  readonly secret: string | null;
  readonly secretFile: string | null;
  /** PEM, JWK or JWKS. */
  readonly file: string | null;
  /** JWKS, by https, or by http on loopback. */
  readonly url: string | null;
  /** How often a JWKS is fetched. */
  readonly refreshMs: number;
}

export const JWT_CLAIMS = ['exp', 'iss', 'aud'] as const;

export interface JwtConfig {
  /** null only where `iss` is not required. */
  readonly issuer: string | null;
  /** Any of them will do; empty only where `aud` is not required. */
  readonly audience: readonly string[];
  readonly notRequired: readonly (typeof JWT_CLAIMS)[number][];
  readonly usernameClaim: string;
  readonly clientIdClaim: string | null;
  readonly groupsClaim: string;
  readonly aclClaim: string;
  readonly leewayMs: number;
  readonly tokenIn: 'password' | 'username';
  /** At least one. */
  readonly keys: readonly JwtKeyConfig[];
}

/** An endpoint that is asked. */
export interface HttpConfig {
  readonly url: string;
  readonly method: 'POST' | 'GET';
  /** Sent with every question; they may be secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM: who signs the endpoint's certificate; null = whom Node.js believes. */
  readonly ca: string | null;
  /** Whether it may be plain http beyond loopback. */
  readonly insecure: boolean;
  readonly timeoutMs: number;
  /** Questions at the same time, and how many more wait. */
  readonly concurrency: number;
  readonly queueMax: number;
  /** 0 = nothing is remembered */
  readonly cacheTtlMs: number;
  readonly cacheMax: number;
  /** So many failures in a row, and it is not asked for a while. */
  readonly circuitFailures: number;
  readonly circuitOpenMs: number;
}

/** A module of somebody else's. */
export interface ModuleConfig {
  /** An absolute path, or the name of a package. */
  readonly module: string;
  readonly timeoutMs: number;
  readonly options: Readonly<Record<string, unknown>>;
}

/** `name` is unique among its kind: for logs, `explain` and listeners. */
export type AuthenticatorConfig = { readonly name: string } & (
  | ({ readonly kind: 'password-file' } & PasswordFileConfig)
  | ({ readonly kind: 'users' } & UsersConfig)
  | { readonly kind: 'certificate' }
  | ({ readonly kind: 'jwt' } & JwtConfig)
  | ({ readonly kind: 'http'; readonly seesAnonymous: boolean } & HttpConfig)
  | ({ readonly kind: 'module' } & ModuleConfig)
);

export type AuthorizerConfig = { readonly name: string } & (
  | { readonly kind: 'acl-file'; readonly file: string }
  | { readonly kind: 'rules' }
  | { readonly kind: 'claims' }
  | ({ readonly kind: 'http' } & HttpConfig)
  | ({ readonly kind: 'module' } & ModuleConfig)
);

export const RULE_ACTIONS = ['connect', 'publish', 'subscribe', 'receive'] as const;

/** Lists that are null were not said: they bind nobody. None of them is empty. */
export interface RuleConfig {
  readonly effect: 'allow' | 'deny';
  readonly actions: readonly (typeof RULE_ACTIONS)[number][];
  /** Valid filters without `$share`, with `%c`, `%u`, `${claim.x}` and `${cert}`; null where only `connect` is meant. */
  readonly topics: readonly string[] | null;
  /** `*` stands for any characters, here and in the next two; '' is an anonymous client. */
  readonly users: readonly string[] | null;
  readonly groups: readonly string[] | null;
  /** With placeholders, but `%c`. */
  readonly clientIds: readonly string[] | null;
  /** Texts for AddressRanges. */
  readonly addresses: readonly string[] | null;
  /** URLs of listeners as `ListenerConfig.url` has them. */
  readonly listeners: readonly string[] | null;
  readonly qosMax: 0 | 1 | 2;
  readonly retain: 'any' | 'only' | 'never';
  /** Where it is written; both null when the environment said it. */
  readonly file: string | null;
  readonly line: number | null;
}

export interface GroupConfig {
  readonly name: string;
  /** `*` stands for any characters. */
  readonly users: readonly string[];
}

export interface AccessConfig {
  /** Whether a SUBSCRIBE that can never receive anything is refused, or always granted as Mosquitto does. */
  readonly suback: 'filter' | 'mosquitto';
  /** What a v3 client gets for a PUBLISH that is denied. */
  readonly deniedV3: 'acknowledge' | 'disconnect';
  /** What happens when another identity comes with the client id of a session. */
  readonly sessionOwner: 'refuse' | 'discard';
  readonly strictPermissions: boolean;
  readonly watch: boolean;
  /** Remembered decisions of one session. */
  readonly decisionsMax: number;
  /** 0 = by the number of processors */
  readonly hashWorkers: number;
  readonly hashQueueMax: number;
  /** 0 = verified passwords are not remembered */
  readonly credentialsTtlMs: number;
  readonly credentialsMax: number;
}

export interface PenaltiesConfig {
  /** Of one user from one address within the window; 0 = no limit. */
  readonly failuresMax: number;
  readonly windowMs: number;
  readonly penaltyMs: number;
  /** Of one address, whoever it says to be; 0 = no limit. */
  readonly addressFailuresMax: number;
  /** Texts for AddressRanges. */
  readonly trusted: readonly string[];
  readonly tablesMax: number;
  /** Connects of one client id within its window; 0 = no limit. */
  readonly flappingConnectsMax: number;
  readonly flappingWindowMs: number;
  readonly flappingBanMs: number;
  /** Takeovers of one client id within its window, by turns; 0 = not looked for. */
  readonly fightTakeoversMax: number;
  readonly fightWindowMs: number;
  /** 0 = none */
  readonly fightBackOffMs: number;
}

/** Null: no such limit, or no such condition. */
export interface QuotaConfig {
  /** `*` stands for any characters, in all four; what is said must all fit. */
  readonly clientId: string | null;
  readonly username: string | null;
  readonly group: string | null;
  readonly listener: string | null;
  /** Whose the limits are: each client's, all clients' of one user, of one listener, of this rule. */
  readonly per: 'client' | 'user' | 'listener' | 'rule';
  readonly messagesPerSecond: number | null;
  /** As many as in one second, unless said. */
  readonly messagesBurst: number | null;
  readonly bytesPerSecond: number | null;
  readonly bytesBurst: number | null;
  readonly over: 'throttle' | 'refuse' | 'disconnect';
  readonly subscriptionsMax: number | null;
  readonly connectionsMax: number | null;
  readonly retainedMessagesMax: number | null;
  readonly retainedBytesMax: number | null;
  readonly queueMessagesMax: number | null;
  readonly queueBytesMax: number | null;
}

export const DEFAULT_USERS: UsersConfig = { scram: true };

/** Keys have no default. */
export const DEFAULT_JWT: JwtConfig = {
  issuer: null,
  audience: [],
  notRequired: [],
  usernameClaim: 'sub',
  clientIdClaim: null,
  groupsClaim: 'groups',
  aclClaim: 'acl',
  leewayMs: 30_000,
  tokenIn: 'password',
  keys: [],
};

export const DEFAULT_JWT_KEY: JwtKeyConfig = {
  id: null,
  algorithms: [],
  secret: null,
  secretFile: null,
  file: null,
  url: null,
  refreshMs: 600_000,
};

const DEFAULT_TIMEOUT_MS = 5_000;

export const DEFAULT_HTTP: HttpConfig & { readonly seesAnonymous: boolean } = {
  url: '',
  method: 'POST',
  headers: {},
  ca: null,
  insecure: false,
  timeoutMs: DEFAULT_TIMEOUT_MS,
  concurrency: 32,
  queueMax: 1_000,
  cacheTtlMs: 60_000,
  cacheMax: 10_000,
  circuitFailures: 5,
  circuitOpenMs: 10_000,
  seesAnonymous: false,
};

export const DEFAULT_MODULE: ModuleConfig = {
  module: '',
  timeoutMs: DEFAULT_TIMEOUT_MS,
  options: {},
};

/** A rule says by itself whether it allows, and what. */
export const DEFAULT_RULE: RuleConfig = {
  effect: 'deny',
  actions: [],
  topics: null,
  users: null,
  groups: null,
  clientIds: null,
  addresses: null,
  listeners: null,
  qosMax: 2,
  retain: 'any',
  file: null,
  line: null,
};

export const DEFAULT_ACCESS: AccessConfig = {
  suback: 'filter',
  deniedV3: 'acknowledge',
  sessionOwner: 'refuse',
  strictPermissions: false,
  watch: true,
  decisionsMax: 256,
  hashWorkers: 0,
  hashQueueMax: 1_000,
  credentialsTtlMs: 600_000,
  credentialsMax: 10_000,
};

export const DEFAULT_PENALTIES: PenaltiesConfig = {
  failuresMax: 10,
  windowMs: 60_000,
  penaltyMs: 60_000,
  addressFailuresMax: 1_000,
  trusted: [],
  tablesMax: 65_536,
  flappingConnectsMax: 0,
  flappingWindowMs: 60_000,
  flappingBanMs: 300_000,
  fightTakeoversMax: 5,
  fightWindowMs: 60_000,
  fightBackOffMs: 0,
};

export const DEFAULT_QUOTA: QuotaConfig = {
  clientId: null,
  username: null,
  group: null,
  listener: null,
  per: 'client',
  messagesPerSecond: null,
  messagesBurst: null,
  bytesPerSecond: null,
  bytesBurst: null,
  over: 'throttle',
  subscriptionsMax: null,
  connectionsMax: null,
  retainedMessagesMax: null,
  retainedBytesMax: null,
  queueMessagesMax: null,
  queueBytesMax: null,
};

/** Whether anybody is asked anything: else everybody may come and do everything, as on a server without a configuration. */
export function isGuarded({
  authenticators,
  authorizers,
}: Pick<Config, 'authenticators' | 'authorizers'>): boolean {
  return authenticators.length > 0 || authorizers.length > 0;
}

/** Whom a listener asks who a client is, in their order. */
export function authenticatorsOf(
  { authenticators }: Pick<Config, 'authenticators'>,
  listener: ListenerConfig,
): readonly AuthenticatorConfig[] {
  const { authenticators: names } = listener;
  if (names === null) return authenticators;
  return names.flatMap((name) => authenticators.find((one) => one.name === name) ?? []);
}

/** Whether a listener lets in who does not say who he is: unless it is said, where nobody is there to ask. */
export function admitsAnonymous(
  config: Pick<Config, 'authenticators'>,
  listener: ListenerConfig,
): boolean {
  return listener.anonymous ?? authenticatorsOf(config, listener).length === 0;
}
