// The suite of `iothub/contracts` under vitest. What a store's place cannot show is skipped, and the report says why.

import { describe, test } from 'vitest';
import {
  CannotRun,
  type ContractOptions,
  type MakePlace,
  storageContract,
} from '../../src/contracts/storage.ts';

/** `IOTHUB_SEED=123 npx vitest run tests/contracts` brings a random failure back. */
const { IOTHUB_SEED } = process.env;

/** Disks of busy machines take seconds for what is done in a moment elsewhere. */
const TIMEOUT_MS = 60_000;

export function testStorage(name: string, makePlace: MakePlace, given: ContractOptions = {}): void {
  const options = IOTHUB_SEED === undefined ? given : { ...given, seed: Number(IOTHUB_SEED) };
  describe(`${name} keeps the contract of a store`, () => {
    for (const one of storageContract) {
      test(one.title, { timeout: TIMEOUT_MS }, async (context) => {
        try {
          await one.run(makePlace, options);
        } catch (error) {
          if (!(error instanceof CannotRun)) throw error;
          context.skip(error.message);
        }
      });
    }
  });
}
