// The settings of the admin API: a row each.

import { type AdminConfig, parseAdminUrl } from './admin-config.ts';
import { CERTIFICATE_SETTINGS } from './listener-settings.ts';
import { count, durationMs, file, flag, formed, list, size, text } from './setting.ts';
import type { Settings } from './settings.ts';

const DAY_MS = 86_400_000;
const MIB = 1_048_576;

const groups = (role: string) =>
  list(text(1_024, ''), `Users of the store in one of these groups may log in as ${role}.`);

export const ADMIN_SETTINGS: Settings<Omit<AdminConfig, 'tls'>> = {
  enabled: flag(
    'Whether the admin API, health checks and metrics are served over HTTP. Commands on this machine do not need it.',
  ),
  url: formed(
    'URL',
    '`http://…`, `https://…`',
    urlProblem,
    'Where: `http://127.0.0.1:18083`, `https://:18083`. No address means all interfaces, no port 18083, port 0 any free one.',
  ),
  insecure: flag(
    'Whether `http://` may be reached from other machines: tokens then cross the network in the clear.',
  ),
  allowedHosts: list(
    formed('name', 'names, as `hub.example.com`', hostProblem, ''),
    'Names by which it may be asked, besides `localhost`, the name in `url`, and addresses: others are refused, so that no web page reaches it by a name of its own (DNS rebinding).',
  ),
  tokenFile: file(
    'A file with a token of role admin, besides those of the store: for containers, and for servers that keep nothing. At least 32 characters.',
  ),
  connectionsMax: count(
    1,
    65_535,
    'Connections; for each that is more, the oldest of the address that has most is closed.',
  ),
  requestRateMax: count(
    0,
    1_000_000,
    'Requests per second of one token, and of one address without a valid token; 0 sets no limit.',
  ),
  bodyMax: size(1_024, 256 * MIB, 'The body of a request.'),
  requestTimeoutMs: durationMs(1, DAY_MS, 'Time until a request must be in; its head half of it.'),
  viewerGroups: groups('viewer'),
  operatorGroups: groups('operator'),
  adminGroups: groups('admin'),
  loginTtlMs: durationMs(1_000, 30 * DAY_MS, 'How long a login lasts.'),
};

export const ADMIN_TLS_SETTINGS = CERTIFICATE_SETTINGS;

function urlProblem(url: string): string | null {
  const read = parseAdminUrl(url);
  return typeof read === 'string' ? read : null;
}

function hostProblem(name: string): string | null {
  if (/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(name)) return null;
  return `${JSON.stringify(name)} is not a host name: write "hub.example.com", without a port`;
}
