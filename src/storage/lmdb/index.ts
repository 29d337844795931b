// `iothub/lmdb`: the durable store, for programs that run the server themselves. The folder is prepared first (made, locked,
// checked, a damaged store set aside), then the store is given to the server; the lock is released when the server has stopped.

export type { FolderLock } from '../store-folder/lock.ts';
export {
  type PreparedFolder,
  type PrepareOptions,
  prepareFolder,
  type SetAside,
} from '../store-folder/prepare.ts';
export { StoreError, type StoreProblem } from '../store-folder/store-error.ts';
export { type LmdbOptions, LmdbStorage } from './lmdb.ts';
