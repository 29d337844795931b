// `iothub check`, and `-t`: what is wrong with a configuration, also with the files and modules that it names, or what would run by it. Nothing is
// started, and no port is tried.

import { admitsAnonymous, authenticatorsOf } from '../../config/access-config.ts';
import type { Config } from '../../config/config.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { SILENT } from '../../core/logger.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import { TLS_DEFAULTS } from '../../transport/tls/door.ts';
import { TlsSet } from '../../transport/tls/set.ts';
import { checkAccess } from '../access/build.ts';
import { AccessServices } from '../access/services.ts';
import { escapeHarmful } from '../escape.ts';
import { ExitCode } from '../exit-code.ts';
import { listenersOf } from '../listeners.ts';

/** Says on stderr what may be wrong; throws what is. */
export async function checkWhole(config: Config): Promise<void> {
  for (const { tls } of listenersOf(config)) {
    if (tls === undefined) continue;
    await TlsSet.load({ ...TLS_DEFAULTS, ...tls }, null, SYSTEM_CLOCK.wallNow());
  }
  const warnings = await checkAccess(config, new AccessServices(config, SILENT, null));
  for (const { file, line, message } of warnings) {
    process.stderr.write(`warning: ${placed(file, line)}${message}\n`);
  }
}

function placed(file: string | null, line: number | null): string {
  if (file === null) return '';
  return line === null ? `${file}: ` : `${file}:${line}: `;
}

/** Where the configuration came from, for whoever wonders why it is so. */
export function describeSources({ file, variables }: LoadedConfig): string {
  return `file: ${file ?? 'none'}\nvariables: ${variables.join(', ') || 'none'}\n`;
}

interface Summary {
  readonly ok: true;
  readonly file: string | null;
  readonly variables: readonly string[];
  readonly listeners: readonly {
    readonly url: string;
    /** Who is asked who clients are. */
    readonly authenticators: readonly string[];
    readonly anonymous: boolean;
    readonly clientCertificate: 'none' | 'optional' | 'required';
  }[];
  readonly authorizers: readonly string[];
  readonly rules: number;
  readonly quotas: number;
  readonly store: { readonly type: string; readonly path: string };
}

/** Resolves with the exit code; throws what is wrong. */
export async function check(loaded: LoadedConfig, isJson: boolean): Promise<ExitCode> {
  await checkWhole(loaded.config);
  const summary = summaryOf(loaded);
  process.stdout.write(
    isJson ? `${escapeHarmful(JSON.stringify(summary))}\n` : describe(summary, loaded),
  );
  return ExitCode.Ok;
}

function summaryOf({ config, file, variables }: LoadedConfig): Summary {
  return {
    ...{ ok: true, file, variables },
    listeners: config.listeners.map((listener) => ({
      url: listener.url,
      authenticators: authenticatorsOf(config, listener).map(({ name }) => name),
      anonymous: admitsAnonymous(config, listener),
      clientCertificate: listener.tls?.clientCertificate ?? 'none',
    })),
    authorizers: config.authorizers.map(({ name }) => name),
    rules: config.rules.length,
    quotas: config.quotas.length,
    store: { type: config.storage.type, path: config.storage.path },
  };
}

function describe(summary: Summary, loaded: LoadedConfig): string {
  const { listeners, authorizers, rules, store } = summary;
  const lines = listeners.map(({ url, authenticators, anonymous, clientCertificate }) => {
    const known = authenticators.length > 0 ? [`known by ${authenticators.join(', ')}`] : [];
    const open = anonymous ? ['anonymous clients are let in'] : [];
    const certificate = clientCertificate === 'none' ? [] : [`certificate ${clientCertificate}`];
    return `listener: ${url}: ${[...known, ...open, ...certificate].join('; ')}`;
  });
  const asked = authorizers.length > 0 ? authorizers.join(', ') : 'none: all but topics with $';
  lines.push(
    `authorizers: ${asked}${rules > 0 ? `; ${rules} ${rules === 1 ? 'rule' : 'rules'}` : ''}`,
  );
  lines.push(`store: ${store.type === 'memory' ? 'memory' : `${store.type} in ${store.path}`}`);
  return escapeLines(`ok\n${describeSources(loaded)}${lines.join('\n')}\n`);
}

function escapeLines(text: string): string {
  return text.split('\n').map(escapeHarmful).join('\n');
}
