// Watches the files that authenticators and authorizers were read from: when one has other content, and nothing has stirred for
// a second, everything is reloaded. The configuration itself is not watched: its listeners are nobody's to change by saving.

import type { Logger } from '../../core/logger.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import { FileWatcher } from '../../transport/tls/watch.ts';
import type { Reload } from '../reload.ts';
import type { AccessInForce } from './in-force.ts';

export interface Watching {
  close(): Promise<void>;
}

/** Also of those files that a reload brings. */
export function watchAccess(
  access: AccessInForce,
  isWanted: boolean,
  reloading: Reload,
  logger: Logger,
): Watching {
  if (!isWanted) return { close: () => Promise.resolve() };
  let watcher: FileWatcher | null = null;
  let isClosed = false;
  const watch = async (): Promise<void> => {
    watcher?.close();
    watcher = null;
    if (isClosed || access.files.length === 0) return;
    watcher = new FileWatcher({
      files: access.files,
      clock: SYSTEM_CLOCK,
      logger,
      onChange() {
        logger.info({}, 'A file of access control has changed');
        void reloading.request();
      },
    });
    await watcher.start();
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
