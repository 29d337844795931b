// What the server says and does about itself, table by table: `[sys]`.

import { durationMs } from './setting.ts';
import type { Settings } from './settings.ts';

export interface SysConfig {
  /** 0 = never */
  readonly intervalMs: number;
}

export const DEFAULT_SYS: SysConfig = { intervalMs: 10_000 };

const HOUR_MS = 3_600_000;

export const SYS_SETTINGS: Settings<SysConfig> = {
  intervalMs: durationMs(
    0,
    HOUR_MS,
    'How often what has changed is published under `$SYS/broker/`. 0 publishes nothing there.',
  ),
};
