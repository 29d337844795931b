// Says at the start when the process may not open as many files as its connections need, while somebody looks; later it would be
// an alarm.

import type { Logger } from '../core/logger.ts';

/** Besides connections: listeners, the store, files that are read, and room. */
const OTHERS = 200;

/** `openFilesMax` as the system says it; null: it does not. */
export function warnOfOpenFiles(
  openFilesMax: number | null,
  connectionsMax: number,
  logger: Logger,
): void {
  const wanted = connectionsMax + OTHERS;
  if (openFilesMax === null || openFilesMax >= wanted) return;
  logger.warn(
    { openFilesMax, connectionsMax },
    `This process may have ${openFilesMax} files open, limits.connections_max (${connectionsMax}) needs ${wanted}: raise the limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker) or lower connections_max`,
  );
}
