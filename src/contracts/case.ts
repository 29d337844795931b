// What a case of a storage contract is: a sentence, and something to run that rejects when the sentence is not true. It knows
// no test runner, so that the author of a store may use any.

import type { StoragePlace } from './place.ts';
import { StoreUnderTest } from './store-under-test.ts';

/** Makes an empty place; every case, and every round of a random one, asks for its own. */
export type MakePlace = () => StoragePlace | Promise<StoragePlace>;

export interface ContractOptions {
  /** Of the random cases; it is in the message of a failure. Another one each time if absent. */
  readonly seed?: number;
  /** How many sequences of changes a random case tries; 40 if absent. */
  readonly rounds?: number;
}

export interface ContractCase {
  /** A sentence, of all cases the only one like it. */
  readonly title: string;
  /**
   * Rejects with an AssertionError when the store does not do what the title says, with whatever the store threw, and with
   * `CannotRun` when this place cannot show it.
   */
  run(makePlace: MakePlace, options?: ContractOptions): Promise<void>;
}

/** A case with one store. */
export function contractCase(
  title: string,
  body: (store: StoreUnderTest) => Promise<void>,
): ContractCase {
  return {
    title,
    async run(makePlace) {
      const store = await StoreUnderTest.at(await makePlace());
      try {
        await body(store);
      } catch (error) {
        await store.abandon();
        throw error;
      }
      await store.end();
    },
  };
}
