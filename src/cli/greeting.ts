// The first lines of a server that runs: where it listens, whom it serves, and what to type to see it work.

import { isLoopbackAddress } from '../config/loopback.ts';
import type { Logger } from '../core/logger.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** What publishing a port of a container needs. */
const WAYS_OUT =
  'start it with --listener \'mqtt://:1883?anonymous=true\', or write to the configuration file: [[listeners]], url = "mqtt://:1883", anonymous = true';

/** Says where the server listens; loudly, when others than this machine can reach it, or when nobody can who should. */
export function greet(
  addresses: readonly Address[],
  logger: Logger,
  version: string,
  isInContainer: boolean,
): void {
  for (const { host, port } of addresses) {
    const shown = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    logger.info({}, `IoTHub ${version} serves MQTT 3.1, 3.1.1 and 5.0 on ${shown}`);
    if (isLocal(host)) continue;
    logger.warn(
      {},
      `ANYBODY who can reach ${shown} may connect, read and publish everything: there are no passwords. Keep it behind a firewall`,
    );
  }
  if (addresses.every(({ host }) => isLocal(host))) {
    logger.info({}, 'Clients are anonymous, and only those on this machine (loopback) are served');
    if (isInContainer) {
      logger.warn(
        {},
        `This is a container, and only clients inside of it are served, also when its port is published. To serve others ${WAYS_OUT}`,
      );
    }
  }
  const first = addresses[0];
  if (first === undefined) return;
  const host = reachable(first.host);
  logger.info({}, `Try: mosquitto_sub -h ${host} -p ${first.port} -t '#' -v`);
  logger.info({}, `or:  npx mqtt sub -h ${host} -p ${first.port} -t '#' -v`);
}

/** Whether an address leads to this machine only. */
function isLocal(host: string): boolean {
  return host === 'localhost' || isLoopbackAddress(host);
}

/** An address that a client on this machine can use. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
