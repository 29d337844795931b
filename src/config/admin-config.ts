// The listener of the admin API as configured.

import type { CertificateConfig } from './listener-config.ts';

export interface AdminConfig {
  readonly enabled: boolean;
  /** `http://…` or `https://…`, as it was written. */
  readonly url: string;
  /** Plain HTTP may be reached from other machines. */
  readonly insecure: boolean;
  /** Names by which it is reached, besides `localhost`, that of `url`, and addresses. */
  readonly allowedHosts: readonly string[];
  /** A file with a token of role admin, besides those of the store. */
  readonly tokenFile: string | null;
  readonly connectionsMax: number;
  /** Requests a second of one token, or of one address without; 0 = no limit. */
  readonly requestRateMax: number;
  /** bytes */
  readonly bodyMax: number;
  readonly requestTimeoutMs: number;
  /** Groups whose users may log in with a password, by what they may then do. */
  readonly viewerGroups: readonly string[];
  readonly operatorGroups: readonly string[];
  readonly adminGroups: readonly string[];
  readonly loginTtlMs: number;
  /** null: it is plain HTTP. */
  readonly tls: CertificateConfig | null;
}

export const DEFAULT_ADMIN: AdminConfig = {
  enabled: true,
  url: 'http://127.0.0.1:18083',
  insecure: false,
  allowedHosts: [],
  tokenFile: null,
  connectionsMax: 256,
  requestRateMax: 100,
  bodyMax: 1_048_576,
  requestTimeoutMs: 30_000,
  viewerGroups: [],
  operatorGroups: [],
  adminGroups: [],
  loginTtlMs: 3_600_000,
  tls: null,
};

export interface AdminAddress {
  readonly isSecure: boolean;
  /** Empty: all interfaces. */
  readonly host: string;
  /** 0 = any free one */
  readonly port: number;
}

const FORM =
  /^(https?):\/\/(\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?\]|[A-Za-z0-9._-]*)(?::(\d{1,5}))?\/?$/;
const DEFAULT_PORT = 18_083;

/** Where a URL of `[admin]` says that it listens, or what is wrong with it. */
export function parseAdminUrl(url: string): AdminAddress | string {
  const match = FORM.exec(url);
  const right = 'write http://127.0.0.1:18083, or https://:18083 for all interfaces';
  if (match === null) {
    const hasUser = url.includes('@') ? ': a user or password has no place in it' : '';
    return `it is not the URL of a listener${hasUser}: ${right}`;
  }
  const [, scheme, host, port = String(DEFAULT_PORT)] = match;
  if (Number(port) > 65_535) return `there is no port ${port}: ${right}`;
  const isSecure = scheme === 'https';
  return { isSecure, host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}
