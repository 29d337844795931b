// What the admin API may ask about clients and messages, with what only the command line knows: the version, where the store is,
// and the configuration.

import type { Config } from '../config/config.ts';
import { keyOf } from '../config/settings.ts';
import type { ConfigValue, ManagementControl, ServerInfo } from '../server/contract/management.ts';
import { ControlError } from '../server/contract.ts';
import type { Server } from '../server/server.ts';
import { ACCESS_AT_START } from './access/configured.ts';
import { AT_START, type ConfigSource, LOG_AT_START, type Reload } from './reload.ts';
import type { ChosenStorage } from './storage.ts';

export interface ServerFacts {
  readonly version: string;
  /** As the configuration names it. */
  readonly storeType: string;
  /** The data folder; null: there is none. */
  readonly folder: string | null;
  readonly startedAt: Date;
  /** The configuration that is in force. */
  config(): Promise<readonly ConfigValue[]>;
}

/** Of a server that has just started. */
export function serverFacts(
  version: string,
  started: Config,
  { folder }: ChosenStorage,
  reloading: Reload,
  source: ConfigSource,
): ServerFacts {
  return {
    version,
    storeType: started.storage.type,
    folder,
    startedAt: new Date(),
    config: async () => settingsInForce(started, reloading.config, source),
  };
}

export function managementControl(server: Server, facts: ServerFacts): ManagementControl {
  const { management } = server;
  const { drain } = management;
  return {
    clients: management.clients,
    subscriptions: management.subscriptions,
    retained: management.retained,
    queues: management.queues,
    publish: (request) => management.publish(request),
    server: {
      listeners: async () => management.listeners,
      info: async () => infoOf(server, facts),
      stats: () => management.stats(),
      store: async () => ({
        ...{ type: facts.storeType, folder: facts.folder },
        ...(await management.store()),
      }),
      overload: async () => management.overload,
      config: () => facts.config(),
      drain: async (request) => {
        if (!server.isRunning) throw new ControlError('unavailable', 'the server does not run');
        drain.begin(request);
        return drain.state;
      },
      drainState: async () => drain.state,
      undrain: async () => {
        drain.end();
        return drain.state;
      },
    },
  };
}

function infoOf({ listeners, management }: Server, facts: ServerFacts): ServerInfo {
  const { startedAt, storeType, version } = facts;
  const { bun } = process.versions;
  const schemes = new Set(listeners.map(({ url }) => url.slice(0, url.indexOf(':'))));
  return {
    version,
    runtime: bun === undefined ? `node ${process.version}` : `bun ${bun}`,
    pid: process.pid,
    platform: `${process.platform} ${process.arch}`,
    startedAt: startedAt.toISOString(),
    uptimeMs: Math.round(process.uptime() * 1_000),
    state: management.drain.isOn ? 'draining' : 'running',
    protocolVersions: ['3.1', '3.1.1', '5.0'],
    features: {
      persistence: storeType !== 'memory',
      tls: schemes.has('mqtts') || schemes.has('wss'),
      websocket: schemes.has('ws') || schemes.has('wss'),
    },
  };
}

/**
 * The configuration that is in force: what was reloaded, and what counts from the start on as it was then. `origin` is where each
 * value stands.
 */
export function settingsInForce(
  started: Config,
  current: Config,
  { describe = () => [] }: ConfigSource,
): ConfigValue[] {
  const before = describe(started);
  if (current === started) return before.map((setting) => ({ ...setting, isReloaded: false }));
  const values = new Map(before.map(({ path, value }) => [path, value]));
  return [
    ...before
      .filter(({ path }) => countsAtStart(path))
      .map((setting) => ({ ...setting, isReloaded: false })),
    ...describe(current)
      .filter(({ path }) => !countsAtStart(path))
      .map((setting) => ({ ...setting, isReloaded: values.get(setting.path) !== setting.value })),
  ];
}

const KEYS_AT_START: ReadonlySet<string> = new Set([
  ...ACCESS_AT_START.map((name) => `access.${keyOf(name)}`),
  ...LOG_AT_START.map((name) => `log.${keyOf(name)}`),
]);

function countsAtStart(path: string): boolean {
  const part = /^[^.[]*/.exec(path)?.[0] ?? '';
  return KEYS_AT_START.has(path) || AT_START.some((one) => one === part);
}
