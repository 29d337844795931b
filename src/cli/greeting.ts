// The first lines of a server that runs: where it listens, whom it serves, and what to type to see it work.

import { isIP } from 'node:net';
import type { Logger } from '../core/logger.ts';

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Says where the server listens; loudly, when others than this machine can reach it. */
export function greet(addresses: readonly Address[], logger: Logger, version: string): void {
  for (const { host, port } of addresses) {
    const shown = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
    logger.info({}, `IoTHub ${version} serves MQTT 3.1, 3.1.1 and 5.0 on ${shown}`);
    if (isLoopback(host)) continue;
    logger.warn(
      {},
      `ANYBODY who can reach ${shown} may connect, read and publish everything: there are no passwords. Keep it behind a firewall`,
    );
  }
  if (addresses.every(({ host }) => isLoopback(host))) {
    logger.info({}, 'Clients are anonymous, and only those on this machine (loopback) are served');
  }
  const first = addresses[0];
  if (first === undefined) return;
  const host = reachable(first.host);
  logger.info({}, `Try: mosquitto_sub -h ${host} -p ${first.port} -t '#' -v`);
  logger.info({}, `or:  npx mqtt sub -h ${host} -p ${first.port} -t '#' -v`);
}

/** Whether an address leads to this machine only. */
function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.');
  return host === 'localhost' || host === '::1' || host.startsWith('::ffff:127.');
}

/** An address that a client on this machine can use. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
