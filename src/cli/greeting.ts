// The first lines of a server that runs: where it listens, whom it serves, and what to type to see it work.

import type { ListenerProtocol } from '../config/listener-url.ts';
import { isLoopbackAddress } from '../config/loopback.ts';
import type { Logger } from '../core/logger.ts';

/** A listener that serves. */
export interface Greeted {
  /** `mqtts://127.0.0.1:8883` */
  readonly url: string;
  readonly protocol: ListenerProtocol;
  /** An address, or the path of a socket file. */
  readonly host: string;
  readonly port: number;
  readonly needsCertificate: boolean;
}

/** What publishing a port of a container needs. */
const WAYS_OUT =
  'start it with --listener \'mqtt://:1883?anonymous=true\', or write to the configuration file: [[listeners]], url = "mqtt://:1883", anonymous = true';

/** Says where the server listens; loudly, when others than this machine can reach it, or when nobody can who should. */
export function greet(
  addresses: readonly Greeted[],
  logger: Logger,
  version: string,
  isInContainer: boolean,
): void {
  for (const address of addresses) {
    const { url, needsCertificate } = address;
    logger.info({}, `IoTHub ${version} serves MQTT 3.1, 3.1.1 and 5.0 on ${url}`);
    if (isLocal(address)) continue;
    logger.warn(
      {},
      needsCertificate
        ? `Everybody with a certificate of its authorities may connect to ${url}, read and publish everything: there are no passwords`
        : `ANYBODY who can reach ${url} may connect, read and publish everything: there are no passwords. Keep it behind a firewall`,
    );
  }
  if (addresses.every(isLocal)) {
    logger.info({}, 'Clients are anonymous, and only those on this machine (loopback) are served');
    if (isInContainer) {
      logger.warn(
        {},
        `This is a container, and only clients inside of it are served, also when its port is published. To serve others ${WAYS_OUT}`,
      );
    }
  }
  const first = addresses.find(({ protocol }) => protocol in HINTS);
  if (first === undefined) return;
  for (const line of HINTS[first.protocol]?.(first) ?? []) logger.info({}, line);
}

/** What to type to see it work, for listeners that need nothing else. */
const HINTS: Partial<Record<ListenerProtocol, (address: Greeted) => string[]>> = {
  mqtt: ({ host, port }) => [
    `Try: mosquitto_sub -h ${reachable(host)} -p ${port} -t '#' -v`,
    `or:  npx mqtt sub -h ${reachable(host)} -p ${port} -t '#' -v`,
  ],
  'mqtt+unix': ({ host }) => [`Try: mosquitto_sub --unix ${host} -t '#' -v`],
};

/** Whether only clients on this machine reach it. */
function isLocal({ protocol, host }: Greeted): boolean {
  return protocol === 'mqtt+unix' || host === 'localhost' || isLoopbackAddress(host);
}

/** An address that a client on this machine can use. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
