// The suites of `iothub/contracts` for access control under vitest.

import type { MakeAccessPlace } from '../../src/contracts/access-case.ts';
import { authenticatorContract } from '../../src/contracts/authenticator.ts';
import type { AuthenticatorPlace } from '../../src/contracts/authenticator-place.ts';
import { authorizerContract } from '../../src/contracts/authorizer.ts';
import type { AuthorizerPlace } from '../../src/contracts/authorizer-place.ts';
import { testCases } from './contract-tests.ts';

export function testAuthenticator(
  name: string,
  makePlace: MakeAccessPlace<AuthenticatorPlace>,
): void {
  testCases(name, 'an authenticator', authenticatorContract, (one) => one.run(makePlace));
}

export function testAuthorizer(name: string, makePlace: MakeAccessPlace<AuthorizerPlace>): void {
  testCases(name, 'an authorizer', authorizerContract, (one) => one.run(makePlace));
}
