// docs/config.md is generated, but its examples and sentences are written by hand.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_ACCESS,
  DEFAULT_HTTP,
  DEFAULT_JWT,
  DEFAULT_JWT_KEY,
  DEFAULT_MODULE,
  DEFAULT_PENALTIES,
  DEFAULT_QUOTA,
  DEFAULT_USERS,
} from '../../src/config/access-config.ts';
import {
  HTTP_AUTHENTICATOR_SETTINGS,
  JWT_KEY_SETTINGS,
  JWT_SETTINGS,
  MODULE_SETTINGS,
  USERS_SETTINGS,
} from '../../src/config/access-settings.ts';
import { readEnvironment } from '../../src/config/environment.ts';
import { DEFAULT_LISTENER, DEFAULT_TLS } from '../../src/config/listener-config.ts';
import { readListenerFlag } from '../../src/config/listener-flag.ts';
import { LISTENER_SETTINGS, TLS_SETTINGS } from '../../src/config/listener-settings.ts';
import { parseConfig } from '../../src/config/load.ts';
import { checkListeners } from '../../src/config/loopback.ts';
import {
  ACCESS_SETTINGS,
  PENALTIES_SETTINGS,
  QUOTA_SETTINGS,
} from '../../src/config/rule-settings.ts';
import { allTables, headerOf } from '../../src/config/tables.ts';

const REFERENCE = readFileSync(path.join(import.meta.dirname, '../../docs/config.md'), 'utf8');

/** The texts of the examples in this language. */
function examples(language: string): string[] {
  const blocks = REFERENCE.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'));
  return [...blocks].map((block) => block[1]);
}

describe('the reference of the configuration', () => {
  test('has examples that are right, and may be reached as they are', async () => {
    const found = examples('toml');
    expect(found).toHaveLength(3);
    for (const toml of found) {
      expect(await checkListeners(parseConfig(toml, 'docs/config.md'))).toEqual([]);
    }
    const protocols = parseConfig(found[1], 'f.toml').listeners.map(({ protocol }) => protocol);
    expect(new Set(protocols)).toEqual(new Set(['mqtt', 'mqtts', 'ws', 'wss', 'mqtt+unix']));
  });

  test('has variables and flags that are right', () => {
    const lines = examples('sh').flatMap((text) => text.trim().split('\n'));
    const variables = lines.filter((line) => line.startsWith('IOTHUB_'));
    expect(variables.length).toBeGreaterThan(5);
    const environment = Object.fromEntries(
      variables.map((line) =>
        line
          .replace(/\s+#.*/, '')
          .replaceAll("'", '')
          .split(/=(.*)/s),
      ),
    );
    expect(readEnvironment(environment, '/').problems).toEqual([]);
    const urls = lines.flatMap((line) => [...line.matchAll(/--listener '?([^' ]+)/g)]);
    expect(urls.length).toBeGreaterThan(2);
    for (const [, url] of urls) expect(readListenerFlag(url, '/')).toBeTypeOf('object');
  });

  test('has a section for every table', () => {
    for (const [name, table] of allTables()) {
      if (name === '') continue;
      expect(REFERENCE).toContain(`\`${headerOf(name, table)}\``);
    }
  });

  test('shows defaults as they may be written', () => {
    const rows = [
      [LISTENER_SETTINGS, DEFAULT_LISTENER],
      [TLS_SETTINGS, DEFAULT_TLS],
      [USERS_SETTINGS, DEFAULT_USERS],
      [JWT_SETTINGS, { ...DEFAULT_JWT, audience: null }], // it has none
      [JWT_KEY_SETTINGS, { ...DEFAULT_JWT_KEY, algorithms: null }],
      [HTTP_AUTHENTICATOR_SETTINGS, DEFAULT_HTTP],
      [MODULE_SETTINGS, DEFAULT_MODULE],
      [ACCESS_SETTINGS, DEFAULT_ACCESS],
      [PENALTIES_SETTINGS, DEFAULT_PENALTIES],
      [QUOTA_SETTINGS, DEFAULT_QUOTA],
    ] as const;
    for (const [settings, defaults] of rows) {
      for (const [name, setting] of Object.entries(settings)) {
        const value = (defaults as unknown as Record<string, unknown>)[name];
        if (value === null || value === '') continue;
        const written: unknown = JSON.parse(setting.show(value as never)); // TOML writes these alike
        expect(setting.type.parse(written), name).toEqual(value);
      }
    }
  });
});
