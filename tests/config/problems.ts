// What an operator would read of a configuration that is wrong.

import { ConfigError } from '../../src/config/config-error.ts';
import { loadConfig, parseConfig } from '../../src/config/load.ts';

/** The lines of the ConfigError that this file gives; none when it is right. */
export function problemsOf(toml: string): string[] {
  try {
    parseConfig(toml, 'f.toml');
  } catch (error) {
    return linesOf(error);
  }
  return [];
}

/** The same for a configuration that is loaded with its files, environment and flags. */
export async function loadProblems(...from: Parameters<typeof loadConfig>): Promise<string[]> {
  try {
    await loadConfig(...from);
  } catch (error) {
    return linesOf(error);
  }
  return [];
}

function linesOf(error: unknown): string[] {
  if (error instanceof ConfigError) return error.message.split('\n');
  throw error;
}
