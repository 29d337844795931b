// The suite of `iothub/contracts` for stores under vitest.

import {
  type ContractOptions,
  type MakePlace,
  storageContract,
} from '../../src/contracts/storage.ts';
import { testCases } from './contract-tests.ts';

/** `IOTHUB_SEED=123 npx vitest run tests/contracts` brings a random failure back. */
const { IOTHUB_SEED } = process.env;

export function testStorage(name: string, makePlace: MakePlace, given: ContractOptions = {}): void {
  const options = IOTHUB_SEED === undefined ? given : { ...given, seed: Number(IOTHUB_SEED) };
  testCases(name, 'a store', storageContract, (one) => one.run(makePlace, options));
}
