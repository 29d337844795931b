// `iothub/contracts`: the suites for authors of stores, authenticators and authorizers. They need no test runner of their own.

export type { AccessCase, MakeAccessPlace } from './access-case.ts';
export { authenticatorContract } from './authenticator.ts';
export type { AuthenticatorPlace, EnhancedClient, KnownClient } from './authenticator-place.ts';
export { authorizerContract } from './authorizer.ts';
export type { AuthorizerPlace, ClientAction } from './authorizer-place.ts';
export {
  CannotRun,
  type ContractCase,
  type ContractOptions,
  type MakePlace,
  type StoragePlace,
  storageContract,
} from './storage.ts';
