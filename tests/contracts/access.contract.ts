// The suites of `iothub/contracts` for access control under vitest. What a place cannot show is skipped, and the report says
// why.

import { describe, test } from 'vitest';
import type { AccessCase, MakeAccessPlace } from '../../src/contracts/access-case.ts';
import { authenticatorContract } from '../../src/contracts/authenticator.ts';
import type { AuthenticatorPlace } from '../../src/contracts/authenticator-place.ts';
import { authorizerContract } from '../../src/contracts/authorizer.ts';
import type { AuthorizerPlace } from '../../src/contracts/authorizer-place.ts';
import { CannotRun } from '../../src/contracts/place.ts';

/** Hashes are slow on purpose, and machines are busy. */
const TIMEOUT_MS = 60_000;

export function testAuthenticator(
  name: string,
  makePlace: MakeAccessPlace<AuthenticatorPlace>,
): void {
  testCases(`${name} keeps the contract of an authenticator`, authenticatorContract, makePlace);
}

export function testAuthorizer(name: string, makePlace: MakeAccessPlace<AuthorizerPlace>): void {
  testCases(`${name} keeps the contract of an authorizer`, authorizerContract, makePlace);
}

function testCases<P>(
  title: string,
  cases: readonly AccessCase<P>[],
  makePlace: MakeAccessPlace<P>,
): void {
  describe(title, () => {
    for (const one of cases) {
      test(one.title, { timeout: TIMEOUT_MS }, async (context) => {
        try {
          await one.run(makePlace);
        } catch (error) {
          if (!(error instanceof CannotRun)) throw error;
          context.skip(error.message);
        }
      });
    }
  });
}
