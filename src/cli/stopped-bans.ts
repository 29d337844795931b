// The bans in the store of a server that is stopped. Each call takes the data folder for as long as it takes.

import type { Ban } from '../auth/guard/ban.ts';
import { Bans } from '../auth/guard/bans.ts';
import { SYSTEM_CLOCK } from '../lib/clock.ts';
import { type BanControl, ControlError, type ControlledBan } from '../server/contract.ts';
import { type ToolOptions, withStoppedStore } from '../storage/store-folder/tools.ts';
import { addBan, removeBan, shownBan } from './access/control.ts';
import { StoppedTable } from './stopped-table.ts';

export class StoppedBans {
  readonly #store: ToolOptions;

  constructor(store: ToolOptions) {
    this.#store = store;
  }

  list(): Promise<readonly ControlledBan[]> {
    return this.#do(async (bans) => bans.list().map(shownBan));
  }

  add(request: Parameters<BanControl['add']>[0]): Promise<{ ban: ControlledBan; kicked: number }> {
    const { kind, pattern, reason, durationMs } = request;
    return this.#do(async (bans) => {
      const made = await addBan(bans, { kind, pattern, reason, durationMs, origin: 'cli' });
      return { ban: shownBan(made), kicked: 0 };
    });
  }

  remove(kind: Ban['kind'], pattern: string): Promise<void> {
    return this.#do(async (bans) => {
      if (await removeBan(bans, kind, pattern)) return;
      throw new ControlError('unknown', `there is no ban of the ${kind} ${pattern}`);
    });
  }

  #do<T>(task: (bans: Bans) => Promise<T>): Promise<T> {
    return withStoppedStore(this.#store, async (storage) => {
      const bans = new Bans(SYSTEM_CLOCK);
      await bans.load(new StoppedTable(storage, 'bans', this.#store.folder));
      return task(bans);
    });
  }
}
