// Listeners that are bound, compared with those that are wanted: which of them stay, since their address is the same, and which
// come or go.

import { isDeepStrictEqual } from 'node:util';
import type { Authentication } from '../session/access.ts';
import type { ConfiguredListener } from '../transport/configured-listener.ts';
import { DEFAULT_PORTS, type ListenerOptions } from '../transport/listener-options.ts';
import type { Broker } from './broker.ts';
import type { ServerAddress } from './listeners.ts';

/** One listener that is bound. */
export interface OpenListener {
  options: ListenerOptions;
  readonly listener: ConfiguredListener;
  readonly broker: Broker;
  /** null: its clients are asked as the server's own are. */
  authentication: Authentication | null;
  address: ServerAddress;
}

export interface Comparison {
  /** Those that stay, with what is said of them now. */
  readonly stay: ReadonlyMap<OpenListener, ListenerOptions>;
  readonly added: readonly ListenerOptions[];
  readonly removed: readonly OpenListener[];
}

export function compareListeners(
  all: readonly OpenListener[],
  wanted: readonly ListenerOptions[],
): Comparison {
  const stay = new Map<OpenListener, ListenerOptions>();
  const added: ListenerOptions[] = [];
  for (const options of wanted) {
    const open = all.find((one) => !stay.has(one) && isSamePlace(one.options, options));
    if (open === undefined) added.push(options);
    else stay.set(open, options);
  }
  return { stay, added, removed: all.filter((open) => !stay.has(open)) };
}

/** How many clients came by these. */
export function connectedTo(listeners: readonly OpenListener[]): number {
  return listeners.reduce((count, { broker }) => count + broker.connected, 0);
}

/** Whether it is the same address: then the listening socket stays. */
function isSamePlace(a: ListenerOptions, b: ListenerOptions): boolean {
  return isDeepStrictEqual(placeOf(a), placeOf(b));
}

function placeOf(options: ListenerOptions): object {
  const { protocol = 'mqtt', host = '', path = '', socket = {} } = options;
  return protocol === 'mqtt+unix' ? { path, socket } : { host, port: portOf(options) };
}

/** Whether one that is bound may be in the way of the other. */
export function mayCollide(
  { options: { protocol, path }, address }: OpenListener,
  b: ListenerOptions,
): boolean {
  const isUnix = protocol === 'mqtt+unix';
  if (isUnix !== (b.protocol === 'mqtt+unix')) return false;
  return isUnix ? path === b.path : address.port === portOf(b);
}

function portOf({ protocol = 'mqtt', port }: ListenerOptions): number {
  return port ?? DEFAULT_PORTS[protocol];
}
