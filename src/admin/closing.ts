// The end of an HTTP server: nobody is let in any more, and those who are being answered have some time yet.

import { once } from 'node:events';
import type { Server } from 'node:http';

/** Time that those have who are being answered when it ends. */
const CLOSE_MS = 2_000;

export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearTimeout(timer);
}
