// A table of the store of a server that is stopped.

import type { Storage, TableEntry } from '../storage/storage.ts';
import { storeError } from '../storage/store-folder/store-error.ts';

const PAGE = 1_000;

/** Of a store that nobody else uses, and that takes one change at a time. */
export class StoppedTable {
  readonly #storage: Storage;
  readonly #table: string;
  readonly #folder: string;
  #isRecovered = false;

  constructor(storage: Storage, table: string, folder: string) {
    this.#storage = storage;
    this.#table = table;
    this.#folder = folder;
  }

  async load(): Promise<readonly TableEntry[]> {
    const entries: TableEntry[] = [];
    for (let afterKey: string | null = null; ; ) {
      const page = await this.#storage.list(this.#table, afterKey, PAGE);
      entries.push(...page);
      if (page.length < PAGE) return entries;
      afterKey = page[page.length - 1].key;
    }
  }

  async put(key: string, value: Uint8Array): Promise<void> {
    await this.#recover();
    this.#storage.put(this.#table, key, value);
    await this.#commit();
  }

  async remove(key: string): Promise<void> {
    await this.#recover();
    this.#storage.remove(this.#table, key);
    await this.#commit();
  }

  /** A store wants to have been read before anything is recorded. */
  async #recover(): Promise<void> {
    if (this.#isRecovered) return;
    this.#isRecovered = true;
    await this.#storage.recover({ onSession() {}, onQueued() {}, onRetained() {} });
  }

  async #commit(): Promise<void> {
    try {
      await this.#storage.commit();
    } catch (error) {
      throw storeError(error, `the store in ${this.#folder}`);
    }
  }
}
