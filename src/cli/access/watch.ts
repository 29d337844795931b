// Watches the files that authenticators and authorizers were read from: when one has other content, and nothing has stirred for
// a second, they are all read again. The configuration itself is not watched, nor read: saving it changes nothing.

import type { Logger } from '../../core/logger.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import { FileWatcher } from '../../transport/tls/watch.ts';
import type { Reload } from '../reload.ts';
import type { AccessInForce } from './in-force.ts';
import { isSame, lookAt } from './rest.ts';

export interface Watching {
  close(): Promise<void>;
}

/** Also of those files that a reload brings, and from then on. */
export function watchAccess(access: AccessInForce, reloading: Reload, logger: Logger): Watching {
  let watcher: FileWatcher | null = null;
  let isClosed = false;
  const watch = async (): Promise<void> => {
    watcher?.close();
    watcher = null;
    const { isWatched, read } = access;
    if (isClosed || !isWatched || read.size === 0) return;
    const files = [...read.keys()];
    const onChange = (): void => {
      logger.info({}, 'A file of access control has changed');
      void reloading.request('files');
    };
    watcher = new FileWatcher({ files, clock: SYSTEM_CLOCK, logger, onChange });
    await watcher.start();
    // Written after it was read, and before anybody watched.
    if (!isClosed && !isSame((await lookAt(files)).signatures, read)) onChange();
  };
  reloading.onReloaded = () => void watch();
  const started = watch();
  return {
    async close() {
      isClosed = true;
      await started;
      watcher?.close();
    },
  };
}
