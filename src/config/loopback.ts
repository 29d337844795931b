// Who may be reached without saying so: a listener on loopback or on a unix socket. Any other needs somebody who asks who comes,
// or the operator's word that anonymous clients may.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { AddressRanges } from '../lib/address.ts';
import { authenticatorsOf } from './access-config.ts';
import type { Config } from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import type { ListenerConfig } from './listener-config.ts';

const LOOPBACK = new AddressRanges(['loopback']);

/** Whether an IP address leads to this machine only; false for what is none. */
export function isLoopbackAddress(address: string): boolean {
  return LOOPBACK.has(address);
}

/** Whether a request to this URL stays on this machine; names other than `localhost` may lead anywhere. */
export function isLoopbackUrl(url: string): boolean {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || isLoopbackAddress(host);
}

/** All addresses of a name; rejects when there are none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

async function resolveHost(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** Says how the listener at this position may be allowed: the end of a sentence. */
export type WayOut = (index: number, listener: ListenerConfig) => string;

export const allowInFile: WayOut = () =>
  'add the line `anonymous = true` to its table of [[listeners]]';

/**
 * The listeners that others than this machine can reach without anybody having said so. A name is local only if all its
 * addresses are; one that has none is not known to be.
 */
export async function checkListeners(
  config: Config,
  wayOut: WayOut = allowInFile,
  resolve: ResolveHost = resolveHost,
): Promise<ConfigProblem[]> {
  const found = await Promise.all(
    config.listeners.map(async (listener, index): Promise<ConfigProblem | null> => {
      if (listener.anonymous !== null) return null;
      if (authenticatorsOf(config, listener).length > 0) return null;
      const reach = await reachOf(listener, resolve);
      if (reach === null) return null;
      const message = `${reach}, and no authenticator asks who comes. Add one ([[authenticators]]; "iothub init" writes a configuration with a password), or, if everybody there may connect, ${wayOut(index, listener)}`;
      return { path: `listeners[${index}]`, message, line: null };
    }),
  );
  return found.filter((problem) => problem !== null);
}

/** How others may reach it, or null when they cannot. */
async function reachOf(listener: ListenerConfig, resolve: ResolveHost): Promise<string | null> {
  const { protocol, host, url } = listener;
  if (protocol === 'mqtt+unix') return null;
  if (host === '') return `${url} can be reached from other machines: it is on all interfaces`;
  if (isIP(host) !== 0) {
    return isLoopbackAddress(host) ? null : `${url} can be reached from other machines`;
  }
  const unknown = `${url} may be reached from other machines: the name ${host} has no address here`;
  let addresses: readonly string[];
  try {
    addresses = await resolve(host);
  } catch (error) {
    return `${unknown} (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`;
  }
  if (addresses.length === 0) return unknown;
  const other = addresses.find((address) => !isLoopbackAddress(address));
  return other === undefined
    ? null
    : `${url} can be reached from other machines: ${host} is also ${other}`;
}
