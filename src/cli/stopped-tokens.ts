// The tokens in the store of a server that is stopped. Each call takes the data folder for as long as it takes.

import { Tokens } from '../auth/tokens/tokens.ts';
import type { ControlledToken, NewToken, TokenControl } from '../server/contract/tokens.ts';
import { type ToolOptions, withStoppedStore } from '../storage/store-folder/tools.ts';
import { tokenControl } from './admin/token-control.ts';
import { StoppedTable } from './stopped-table.ts';

export class StoppedTokens implements TokenControl {
  readonly #store: ToolOptions;

  constructor(store: ToolOptions) {
    this.#store = store;
  }

  list(): Promise<readonly ControlledToken[]> {
    return this.#do((tokens) => tokens.list());
  }

  add(token: NewToken, origin: 'cli' | 'api'): ReturnType<TokenControl['add']> {
    return this.#do((tokens) => tokens.add(token, origin));
  }

  remove(name: string): Promise<boolean> {
    return this.#do((tokens) => tokens.remove(name));
  }

  #do<T>(task: (tokens: TokenControl) => Promise<T>): Promise<T> {
    const { folder } = this.#store;
    return withStoppedStore(this.#store, async (storage) => {
      const tokens = new Tokens();
      await tokens.load(new StoppedTable(storage, 'tokens', folder));
      return task(tokenControl(tokens, folder));
    });
  }
}
