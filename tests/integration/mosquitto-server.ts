// Debian's Mosquitto as a server, for tests of files that it and IoTHub both read: in the foreground, on a free port, ended by its
// pid.

import { MaterialFolder } from '../transport/tls/material-folder.ts';
import { freePort, PROXY_ADDRESS, start } from './proxies.ts';

/** Where it listens. */
export const MOSQUITTO_ADDRESS = PROXY_ADDRESS;

/** Starts it with these lines in its configuration; resolves with its port when it listens. */
export async function startMosquitto(...lines: string[]): Promise<number> {
  const port = await freePort();
  // As root it would become another user, who may not read the files of the test.
  const config = [`listener ${port} ${MOSQUITTO_ADDRESS}`, 'user root', ...lines, ''].join('\n');
  const file = new MaterialFolder().write('mosquitto.conf', config);
  await start('/usr/sbin/mosquitto', ['-c', file], 'running');
  return port;
}
