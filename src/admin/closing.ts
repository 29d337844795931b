// The end of an HTTP server: nobody is let in any more, and those who are being answered have some time yet.

import { once } from 'node:events';
import type { Server } from 'node:http';

/** Time that those have who are being answered when it ends. */
const CLOSE_MS = 2_000;

/** `cutOff` ends those whom the server does not know yet: of TLS, who has not shaken hands. */
export async function closeServer(server: Server, cutOff = () => {}): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
    cutOff();
  }, CLOSE_MS);
  await closed;
  clearTimeout(timer);
}
