// Settings that are fine alone and wrong together.

import { isIP } from 'node:net';
import { normalizeAddress } from '../lib/address.ts';
import { accessDisagreements, admissionDisagreements } from './access-agreement.ts';
import { adminDisagreements } from './admin-agreement.ts';
import type { Config } from './config.ts';
import type { ConfigProblem } from './config-error.ts';
import { listenerDisagreements } from './listener-agreement.ts';
import type { ListenerConfig } from './listener-config.ts';
import { formatSize } from './quantity.ts';
import type { RawConfig } from './raw.ts';
import { ruleDisagreements } from './rule-agreement.ts';
import { tracingDisagreements } from './tracing-agreement.ts';

/** What is read with the configuration: names of what is not are not looked for. */
export interface Scope {
  readonly hasAuthenticators: boolean;
  /** Its own listeners: those that its rules may name. */
  readonly hasListeners: boolean;
}

/** What does not agree, of listeners only those that are sound by themselves. */
export function disagreements(
  raw: RawConfig,
  config: Config,
  isSound: (path: string) => boolean,
  { hasAuthenticators, hasListeners }: Scope,
): ConfigProblem[] {
  const sound = [...config.listeners.entries()].filter(([i]) => isSound(`listeners[${i}]`));
  const areListenersKnown = hasListeners && isSound('listeners');
  const areAuthenticatorsKnown = hasAuthenticators && isSound('authenticators');
  return [
    ...limitDisagreements(config),
    ...queueDisagreements(config),
    ...adminDisagreements(config),
    ...tracingDisagreements(raw, config),
    ...accessDisagreements(raw, config),
    ...ruleDisagreements(raw, config, areListenersKnown),
    ...sound.flatMap(([index, listener]) =>
      [
        ...listenerDisagreements(raw.listeners?.[index] ?? {}, listener, config.limits),
        ...(areAuthenticatorsKnown ? admissionDisagreements(config, listener) : []),
      ].map(({ key, message }) => ({
        path: `listeners[${index}]${key === '' ? '' : `.${key}`}`,
        message,
        line: null,
      })),
    ),
    ...overlaps(sound),
  ];
}

function limitDisagreements({ limits }: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const { packetSizeMax, queueBytesMax, retainedBytesMax } = limits;
  const packet = formatSize(packetSizeMax);
  if (queueBytesMax < packetSizeMax) {
    const message = `${formatSize(queueBytesMax)} is less than limits.packet_size_max (${packet}): the largest message would never fit`;
    problems.push({ path: 'limits.queue_bytes_max', message, line: null });
  }
  if (limits.retainAvailable && retainedBytesMax < packetSizeMax) {
    const message = `${formatSize(retainedBytesMax)} is less than limits.packet_size_max (${packet}): the largest message would never fit`;
    problems.push({ path: 'limits.retained_bytes_max', message, line: null });
  }
  return problems;
}

function queueDisagreements({ queues }: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const [index, { clientId, username }] of queues.entries()) {
    if (clientId !== undefined || username !== undefined) continue;
    const message = 'says of no client that it is for it: add client_id or username ("*" = all)';
    problems.push({ path: `queues[${index}]`, message, line: null });
  }
  return problems;
}

/** Listeners that cannot be both: of the later one it is said. */
function overlaps(listeners: readonly (readonly [number, ListenerConfig])[]): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const [position, [index, listener]] of listeners.entries()) {
    const other = listeners.slice(0, position).find(([, one]) => overlap(one, listener));
    if (other !== undefined) {
      const message = describeOverlap(listener, other[1]);
      problems.push({ path: `listeners[${index}]`, message, line: null });
    }
  }
  return problems;
}

function overlap(one: ListenerConfig, other: ListenerConfig): boolean {
  const isSocket = one.protocol === 'mqtt+unix';
  if (isSocket !== (other.protocol === 'mqtt+unix')) return false;
  if (isSocket) return one.path === other.path;
  if (one.port !== other.port || one.port === 0) return false;
  const [a, b] = [canonicalHost(one.host), canonicalHost(other.host)];
  return a === b || covers(a, b) || covers(b, a);
}

/** Whether an address stands for several, the other among them. What a name stands for is left to the system. */
function covers(host: string, other: string): boolean {
  if (host === '' || host === '::') return true; // IPv6 takes IPv4 along
  return host === '0.0.0.0' && isIP(other) === 4;
}

function canonicalHost(host: string): string {
  return host.includes('%') ? host : (normalizeAddress(host) ?? host);
}

function describeOverlap(listener: ListenerConfig, other: ListenerConfig): string {
  if (listener.protocol === 'mqtt+unix') return `${listener.path} is listened on already`;
  if (canonicalHost(listener.host) === canonicalHost(other.host)) {
    const host = listener.host === '' ? 'all interfaces' : listener.host;
    return `port ${listener.port} on ${host} is listened on already`;
  }
  return `${listener.url} and ${other.url} cannot both be: one address is part of the other, so choose another port or leave one out`;
}
