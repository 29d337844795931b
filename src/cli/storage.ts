// The store that the configuration names: LMDB in a data folder, which is locked, checked and set aside if it is damaged; none;
// or a module of somebody else's. What the server and the commands for a running server need of it comes with it.

import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { StorageConfig } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { Logger } from '../core/logger.ts';
import type { Server } from '../server/server.ts';
import type { Storage } from '../storage/storage.ts';

/** A store that is ready to be opened by a server. */
export interface ChosenStorage {
  /** Undefined: nothing is kept beyond the process. */
  readonly storage: Storage | undefined;
  /** The data folder, which this process has to itself; null where there is none. */
  readonly folder: string | null;
  /** Tells the server what was found, and answers the commands that find the folder in use. */
  attach(server: Server, logger: Logger): void;
  /** After the server has stopped. */
  release(): Promise<void>;
}

const NOTHING = { folder: null, attach: () => {}, release: () => Promise.resolve() };

/** Throws StoreError, or ConfigError for a module that cannot be had. `file`: the configuration file, or null. */
export async function chooseStorage(
  config: StorageConfig,
  file: string | null,
  version: string,
): Promise<ChosenStorage> {
  switch (config.type) {
    case 'memory':
      return { ...NOTHING, storage: undefined };
    case 'lmdb':
      return chooseLmdb(config, version);
    default:
      return { ...NOTHING, storage: await loadModule(config, file) };
  }
}

async function chooseLmdb(config: StorageConfig, version: string): Promise<ChosenStorage> {
  // Only now: whoever keeps nothing on disk loads no LMDB.
  const { LmdbStorage } = await import('../storage/lmdb/lmdb.ts');
  const { prepareFolder } = await import('../storage/store-folder/prepare.ts');
  const prepared = await prepareFolder(config.path, {
    isStrict: config.strict,
    version,
    purpose: 'server',
  });
  const { lock, setAside, flaws, migratedFrom, corruptFiles } = prepared;
  const storage = new LmdbStorage({
    folder: prepared.folder,
    level: config.level,
    commitDelayMs: config.commitDelayMs,
    freeMinBytes: config.freeMin,
    bytesMax: config.bytesMax,
  });
  return {
    storage,
    folder: prepared.folder,
    attach(server, logger) {
      if (setAside !== null) {
        server.alarms.raise('store_corrupt', 'critical', setAside.message, {
          file: setAside.file,
        });
      } else if (corruptFiles.length > 0) {
        server.alarms.raise(
          'store_corrupt',
          'warning',
          'stores that were found damaged lie in the data folder: take from them what is needed, then remove them',
          { files: corruptFiles },
        );
      }
      if (flaws !== null) server.alarms.raise('store_damaged', 'critical', flaws);
      if (migratedFrom !== null) {
        logger.info(
          migratedFrom,
          'the store of an older version was migrated; it lies here as it was',
        );
      }
      lock.onRequest('backup', async ({ folder }) => {
        await storage.backup(String(folder));
        return null;
      });
      lock.onRequest('purge', ({ offlineForMs, isDryRun }) =>
        server.purgeSessions(Number(offlineForMs), isDryRun !== false),
      );
    },
    release: () => lock.release(),
  };
}

/** A module exports `createStorage(options)`, which returns a store or a promise of one. */
async function loadModule(config: StorageConfig, file: string | null): Promise<Storage> {
  const { type, options } = config;
  const base = file === null ? process.cwd() : path.dirname(path.resolve(file));
  const fail = (message: string): ConfigError =>
    new ConfigError(file, [{ path: 'storage.type', message, line: null }]);
  let loaded: { readonly createStorage?: unknown };
  try {
    loaded = await import(locate(type, base));
  } catch (error) {
    throw fail(
      `"${type}" is not lmdb or memory, and cannot be loaded as a module: ${(error as Error).message}`,
    );
  }
  const { createStorage } = loaded;
  if (typeof createStorage !== 'function') {
    throw fail(`the module "${type}" does not export a function createStorage(options)`);
  }
  let storage: unknown;
  try {
    storage = await createStorage(options);
  } catch (error) {
    throw fail(`createStorage of the module "${type}" failed: ${(error as Error).message}`);
  }
  const missing = METHODS.filter(
    (name) => typeof (storage as Record<string, unknown> | null | undefined)?.[name] !== 'function',
  );
  if (missing.length === 0) return storage as Storage;
  throw fail(
    `createStorage of the module "${type}" did not return a store: it has no ${missing.join(', ')}`,
  );
}

/** What a store must have. */
const METHODS: readonly (keyof Storage)[] = [
  'open',
  'recover',
  'saveSession',
  'deleteSession',
  'saveSubscription',
  'deleteSubscription',
  'enqueue',
  'updateDelivery',
  'dequeue',
  'saveInboundPacketId',
  'deleteInboundPacketId',
  'saveWill',
  'deleteWill',
  'saveRetained',
  'deleteRetained',
  'put',
  'remove',
  'readDeliveries',
  'get',
  'list',
  'commit',
  'close',
];

function locate(type: string, base: string): string {
  if (type.startsWith('.') || path.isAbsolute(type)) {
    return pathToFileURL(path.resolve(base, type)).href;
  }
  return pathToFileURL(createRequire(path.join(base, 'package.json')).resolve(type)).href;
}
