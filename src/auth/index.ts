// `iothub/auth`: what the command `iothub` makes of [[authenticators]], [[authorizers]], [[rules]] and [penalties], for programs
// that run the server themselves. The contracts are in `iothub`. Whoever makes one of these closes it.

export { AddressRanges } from '../lib/address.ts';
export type { Clock } from '../lib/clock.ts';
export { AccessError, type AccessProblem } from './access-error.ts';
export { type AccessRule, ruleWarnings } from './acl/access-rule.ts';
export { AclFileAuthorizer, type AclFileOptions } from './acl/acl-file.ts';
export {
  AuthorizerChain,
  type AuthorizerChainOptions,
  type AuthorizerMember,
} from './acl/authorizer-chain.ts';
export { ClaimsAuthorizer, type ClaimsOptions } from './acl/claims.ts';
export { RulesAuthorizer, type RulesOptions } from './acl/rules.ts';
export { CertificateAuthenticator, type CertificateAuthenticatorOptions } from './certificate.ts';
export { AuthenticatorChain, type AuthenticatorChainOptions, type ChainMember } from './chain.ts';
export type { Ban, BanKind, BanRequest } from './guard/ban.ts';
export { Guard, type GuardOptions } from './guard/guard.ts';
export type { GuardSettings } from './guard/settings.ts';
export { HttpAuthenticator } from './http/authenticator.ts';
export { HttpAuthorizer } from './http/authorizer.ts';
export type { HttpOptions } from './http/endpoint.ts';
export { JwtAuthenticator, type JwtAuthenticatorOptions } from './jwt/authenticator.ts';
export type { RequiredClaim } from './jwt/identity.ts';
export { type JwtKeys, loadJwtKeys } from './jwt/keys.ts';
export type { JwtKeyOptions, KeySetReport, LoadJwtKeysOptions } from './jwt/load-keys.ts';
export {
  loadAuthenticatorModule,
  loadAuthorizerModule,
  type ModuleOptions,
} from './module.ts';
export { CredentialCache, type CredentialCacheOptions } from './passwords/credentials.ts';
export { HasherError, type HasherOptions, PasswordHasher } from './passwords/hasher.ts';
export {
  PasswordFileAuthenticator,
  type PasswordFileAuthenticatorOptions,
} from './passwords/password-file-authenticator.ts';
export {
  type NewUserOptions,
  type UserChange,
  UserDatabase,
  type UserDatabaseOptions,
  type UserInfo,
} from './users/user-database.ts';
export { UserError, type UserProblem } from './users/user-error.ts';
export type { UserTable } from './users/user-table.ts';
export { UsersAuthenticator, type UsersAuthenticatorOptions } from './users/users-authenticator.ts';
