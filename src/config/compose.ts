// From what a configuration says, by its keys, to what the program reads: the defaults under it, names in camelCase, paths of
// files absolute. Everything in it was checked by itself before.

import { DEFAULT_LIMITS, type Limits } from '../core/limits.ts';
import { composeAccess } from './access-compose.ts';
import { type AdminConfig, DEFAULT_ADMIN } from './admin-config.ts';
import { ADMIN_SETTINGS, ADMIN_TLS_SETTINGS } from './admin-settings.ts';
import {
  type Config,
  DEFAULT_DROPS,
  DEFAULT_LOG,
  DEFAULT_METRICS,
  DEFAULT_STORAGE,
  type DropsConfig,
  freeze,
  type LogConfig,
  type MetricsConfig,
  type QueueConfig,
  type StorageConfig,
} from './config.ts';
import {
  type CertificateConfig,
  DEFAULT_CERTIFICATE,
  DEFAULT_LISTENER,
  DEFAULT_SNI,
  DEFAULT_SOCKET,
  DEFAULT_TLS,
  DEFAULT_WEBSOCKET,
  type ListenerConfig,
  type SniConfig,
  type SocketConfig,
  type TlsConfig,
  type WebSocketConfig,
} from './listener-config.ts';
import {
  LISTENER_LIMIT_SETTINGS,
  LISTENER_SETTINGS,
  SNI_SETTINGS,
  SOCKET_SETTINGS,
  TLS_SETTINGS,
  WEBSOCKET_SETTINGS,
} from './listener-settings.ts';
import { formatListenerUrl, type ListenerAddress, parseListenerUrl } from './listener-url.ts';
import { named, type RawConfig, type RawTable } from './raw.ts';
import {
  DEFAULT_OVERLOAD,
  DEFAULT_SYS,
  OVERLOAD_SETTINGS,
  type OverloadConfig,
  SYS_SETTINGS,
  type SysConfig,
} from './service-settings.ts';
import {
  DROPS_SETTINGS,
  LIMIT_SETTINGS,
  LOG_LEVEL_SETTINGS,
  LOG_SETTINGS,
  METRICS_SETTINGS,
  QUEUE_SETTINGS,
  STORAGE_SETTINGS,
} from './settings.ts';
import { DEFAULT_TRACING, TRACING_SETTINGS, type TracingConfig } from './tracing-settings.ts';

/** `base`: the folder from which paths of files are seen. */
export function compose(raw: RawConfig, base: string): Config {
  const storage = raw.storage ?? {};
  return freeze({
    listeners: (raw.listeners ?? [{}]).map((listener) => listenerOf(listener, base)),
    ...composeAccess(raw, base),
    limits: { ...DEFAULT_LIMITS, ...(named(LIMIT_SETTINGS, raw.limits, base) as Limits) },
    queues: (raw.queues ?? []).map((queue) => named(QUEUE_SETTINGS, queue, base) as QueueConfig),
    storage: {
      ...DEFAULT_STORAGE,
      ...(named(STORAGE_SETTINGS, storage, base) as Partial<StorageConfig>),
      options: (storage.options ?? {}) as Readonly<Record<string, unknown>>,
    },
    drops: {
      ...DEFAULT_DROPS,
      ...(named(DROPS_SETTINGS, raw.drops, base) as Partial<DropsConfig>),
    },
    log: {
      ...DEFAULT_LOG,
      ...(named(LOG_SETTINGS, raw.log, base) as Partial<LogConfig>),
      levels: named(LOG_LEVEL_SETTINGS, raw.log?.levels as RawTable | undefined, base),
    },
    metrics: {
      ...DEFAULT_METRICS,
      ...(named(METRICS_SETTINGS, raw.metrics, base) as Partial<MetricsConfig>),
    },
    admin: adminOf(raw.admin, base),
    sys: { ...DEFAULT_SYS, ...(named(SYS_SETTINGS, raw.sys, base) as Partial<SysConfig>) },
    overload: {
      ...DEFAULT_OVERLOAD,
      ...(named(OVERLOAD_SETTINGS, raw.overload, base) as Partial<OverloadConfig>),
    },
    tracing: {
      ...DEFAULT_TRACING,
      ...(named(TRACING_SETTINGS, raw.tracing, base) as Partial<TracingConfig>),
      headers: (raw.tracing?.headers ?? {}) as TracingConfig['headers'],
    },
    secretsIn: null,
  });
}

function adminOf(raw: RawTable = {}, base: string): AdminConfig {
  const tls = raw.tls as RawTable | undefined;
  return {
    ...DEFAULT_ADMIN,
    ...(named(ADMIN_SETTINGS, raw, base) as Partial<AdminConfig>),
    tls:
      tls === undefined
        ? null
        : {
            ...DEFAULT_CERTIFICATE,
            ...(named(ADMIN_TLS_SETTINGS, tls, base) as Partial<CertificateConfig>),
          },
  };
}

function listenerOf(raw: RawTable, base: string): ListenerConfig {
  const said = named(LISTENER_SETTINGS, raw, base) as Partial<ListenerConfig>;
  const address = addressOf(raw);
  const isWeb = address.protocol === 'ws' || address.protocol === 'wss';
  const tls = raw.tls as RawTable | undefined;
  const listener: ListenerConfig = {
    ...DEFAULT_LISTENER,
    ...said,
    ...address,
    url: formatListenerUrl(address),
    tls: tls === undefined ? null : tlsOf(tls, base),
    websocket: isWeb ? webSocketOf(raw.websocket as RawTable | undefined, base) : null,
    socket:
      address.protocol === 'mqtt+unix' ? socketOf(raw.socket as RawTable | undefined, base) : null,
    limits: named(LISTENER_LIMIT_SETTINGS, raw.limits as RawTable | undefined, base),
  };
  return {
    ...listener,
    connectBurst: listener.connectBurst || listener.connectRate,
    connectBurstPerAddress: listener.connectBurstPerAddress || listener.connectRatePerAddress,
  };
}

/** Where it is: its URL, or `host` and `port`, or what of them is left out. */
function addressOf({ url, host, port }: RawTable): ListenerAddress {
  const read = parseListenerUrl(String(url));
  if (typeof read !== 'string') {
    return { protocol: read.protocol, host: read.host, port: read.port, path: read.path };
  }
  return {
    protocol: 'mqtt',
    host: (host ?? DEFAULT_LISTENER.host) as string,
    port: (port ?? DEFAULT_LISTENER.port) as number,
    path: '',
  };
}

function tlsOf(raw: RawTable, base: string): TlsConfig {
  const sni = (raw.sni ?? []) as readonly RawTable[];
  return {
    ...DEFAULT_TLS,
    ...(named(TLS_SETTINGS, raw, base) as Partial<TlsConfig>),
    sni: sni.map((entry) => ({
      ...DEFAULT_SNI,
      ...(named(SNI_SETTINGS, entry, base) as Partial<SniConfig>),
    })),
  };
}

function webSocketOf(raw: RawTable | undefined, base: string): WebSocketConfig {
  const said = named(WEBSOCKET_SETTINGS, raw, base) as Partial<WebSocketConfig>;
  return { ...DEFAULT_WEBSOCKET, ...said };
}

function socketOf(raw: RawTable | undefined, base: string): SocketConfig {
  return { ...DEFAULT_SOCKET, ...(named(SOCKET_SETTINGS, raw, base) as Partial<SocketConfig>) };
}
