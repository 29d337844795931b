// The first lines of a server that runs: where it listens, whom it serves, what they may do, and what to type to see it work.

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
  /** Who is asked who a client is, by their names in the configuration. */
  readonly authenticators: readonly string[];
  readonly admitsAnonymous: boolean;
}

/** What publishing a port of a container needs. */
const WAYS_OUT =
  'start it with --listener \'mqtt://:1883?anonymous=true\', or write to the configuration file: [[listeners]], url = "mqtt://:1883", anonymous = true';
const WAY_OUT = 'write to the configuration file: [[listeners]], url = "mqtt://:1883"';

/**
 * Says where the server listens and who may do what; loudly, when others than this machine can reach it unasked, or when nobody
 * can who should. `authorizers`: who is asked what a client may do, by name.
 */
export function greet(
  addresses: readonly Greeted[],
  authorizers: readonly string[],
  logger: Logger,
  version: string,
  isInContainer: boolean,
): void {
  for (const address of addresses) {
    const { url, authenticators, admitsAnonymous } = address;
    logger.info({}, `IoTHub ${version} serves MQTT 3.1, 3.1.1 and 5.0 on ${url}`);
    if (authenticators.length > 0) {
      const others = admitsAnonymous ? 'anonymous ones are let in, too' : 'others are refused';
      logger.info({}, `Who comes to ${url} is known by ${authenticators.join(', ')}; ${others}`);
    }
    const isOpen = admitsAnonymous || authenticators.length === 0;
    if (isOpen && !isLocal(address)) logger.warn({}, openness(address, authorizers));
  }
  const isAsked = addresses.some(({ authenticators }) => authenticators.length > 0);
  sayWhatClientsMayDo(isAsked, authorizers, logger);
  if (addresses.every(isLocal)) {
    const where = 'only those on this machine (loopback) are served';
    logger.info({}, isAsked ? `Of all clients ${where}` : `Clients are anonymous, and ${where}`);
    if (isInContainer) {
      logger.warn(
        {},
        `This is a container, and only clients inside of it are served, also when its port is published. To serve others ${isAsked ? WAY_OUT : WAYS_OUT}`,
      );
    }
  }
  const first = addresses.find(({ protocol }) => protocol in HINTS);
  if (first === undefined) return;
  for (const line of HINTS[first.protocol]?.(first) ?? []) logger.info({}, line);
}

function sayWhatClientsMayDo(
  isAsked: boolean,
  authorizers: readonly string[],
  logger: Logger,
): void {
  if (authorizers.length > 0) {
    const names = authorizers.join(', ');
    logger.info({}, `Clients may do what ${names} allows; what nobody allows is refused`);
  } else if (isAsked) {
    const message =
      'There is no authorizer: every client that is let in may publish and subscribe to everything but topics that begin with $';
    logger.info({}, message);
  }
}

/** Who may come in without being asked, and do what. */
function openness(address: Greeted, authorizers: readonly string[]): string {
  const { url, needsCertificate, authenticators } = address;
  const may =
    authorizers.length > 0
      ? `and do what ${authorizers.join(', ')} allows`
      : 'read and publish everything';
  if (needsCertificate) {
    return `Everybody with a certificate of its authorities may connect to ${url}, ${may}: there are no passwords`;
  }
  const why =
    authenticators.length > 0 ? 'anonymous clients are let in' : 'nobody is asked for a password';
  return `ANYBODY who can reach ${url} may connect, ${may}: ${why}. Keep it behind a firewall`;
}

/** What to type to see it work, for listeners that need nothing else. */
const HINTS: Partial<Record<ListenerProtocol, (address: Greeted) => string[]>> = {
  mqtt: (address) => {
    const place = `-h ${reachable(address.host)} -p ${address.port}${credentials(address)}`;
    return [`Try: mosquitto_sub ${place} -t '#' -v`, `or:  npx mqtt sub ${place} -t '#' -v`];
  },
  'mqtt+unix': (address) => [
    `Try: mosquitto_sub --unix ${address.host}${credentials(address)} -t '#' -v`,
  ],
};

/** What a client must say of itself. */
function credentials({ admitsAnonymous }: Greeted): string {
  return admitsAnonymous ? '' : ' -u USER -P PASSWORD';
}

/** Whether only clients on this machine reach it. */
function isLocal({ protocol, host }: Greeted): boolean {
  return protocol === 'mqtt+unix' || host === 'localhost' || isLoopbackAddress(host);
}

/** An address that a client on this machine can use. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
