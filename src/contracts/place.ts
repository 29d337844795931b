// What a store's author says of the place where the data of a store under test lie.

import type { Storage } from '../storage/storage.ts';

/** Where one store's data lie. */
export interface StoragePlace {
  /** A store on these data, not opened yet; the one before has been closed or has crashed. */
  storage(): Storage;
  /** The process dies: the store that is open now is told nothing more, and what was not committed is lost. */
  crash(storage: Storage): void | Promise<void>;
  /**
   * Makes commits, and closing with something to commit, reject, or work again; null if this store cannot be made to. They
   * may be made to work again when the store is closed already.
   */
  readonly fail: ((storage: Storage, isFailing: boolean) => void | Promise<void>) | null;
  /** Removes the data. */
  dispose(): void | Promise<void>;
}

/** The case needs something that this place has not, such as a way to make commits fail. Not the store's fault. */
export class CannotRun extends Error {
  override readonly name = 'CannotRun';
}
