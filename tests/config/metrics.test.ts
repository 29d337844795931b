// `[metrics]`, its variables and its flag.

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseCommandLine } from '../../src/cli/options.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';
import { temporaryFolder } from '../kit/folder.ts';

describe('[metrics]', () => {
  test('may switch the page off, and name whose names it has', () => {
    const toml = '[metrics]\nenabled = false\ncompat = ["emqx", "mosquitto-exporter"]';
    const { metrics } = parseConfig(toml, 'f.toml');
    expect(metrics).toEqual({ enabled: false, compat: ['emqx', 'mosquitto-exporter'] });
  });

  test('says what is wrong with it', () => {
    const toml = '[metrics]\nenabled = "no"\ncompat = ["hivemq"]\npath = "/m"';
    expect(() => parseConfig(toml, 'f.toml')).toThrow(
      /metrics\.enabled: "no" is not true or false.*metrics\.compat: "hivemq" is not one of "mosquitto-exporter", "emqx"/s,
    );
    expect(() => parseConfig(toml, 'f.toml')).toThrow(/metrics\.path: unknown key/);
  });

  test('is said by variables', async () => {
    const environment = { IOTHUB_METRICS__COMPAT: 'emqx', IOTHUB_METRICS__ENABLED: 'false' };
    const { config } = await loadConfig(null, {}, environment);
    expect(config.metrics).toEqual({ enabled: false, compat: ['emqx'] });
  });
});

describe('--no-metrics', () => {
  function fileThatSays(enabled: boolean): string {
    const file = path.join(temporaryFolder(), 'iothub.toml');
    writeFileSync(file, `[metrics]\nenabled = ${enabled}\n`);
    return file;
  }

  function overridesOf(...args: string[]) {
    const line = parseCommandLine(args);
    if (line.command !== 'start') throw new Error(`${args} starts nothing`);
    return line.options;
  }

  test('wins over the file', async () => {
    const { config } = await loadConfig(fileThatSays(true), overridesOf('--no-metrics'));
    expect(config.metrics.enabled).toBe(false);
  });

  test('left out, the file decides', async () => {
    const { config } = await loadConfig(fileThatSays(false), overridesOf());
    expect(config.metrics.enabled).toBe(false);
    expect(overridesOf()).not.toHaveProperty('metrics');
  });
});
