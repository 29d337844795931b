// What the server says and does about itself, table by table: `[sys]`, `[overload]`.

import { durationMs, size } from './setting.ts';
import type { Settings } from './settings.ts';

export interface SysConfig {
  /** 0 = never */
  readonly intervalMs: number;
}

export interface OverloadConfig {
  /** bytes; null = a part of what the machine or the control group has */
  readonly memoryMax: number | null;
}

export const DEFAULT_SYS: SysConfig = { intervalMs: 10_000 };

export const DEFAULT_OVERLOAD: OverloadConfig = { memoryMax: null };

const HOUR_MS = 3_600_000;
const MIB = 1_048_576;
const TIB = 1_099_511_627_776;

export const SYS_SETTINGS: Settings<SysConfig> = {
  intervalMs: durationMs(
    0,
    HOUR_MS,
    'How often what has changed is published under `$SYS/broker/`. 0 publishes nothing there.',
  ),
};

export const OVERLOAD_SETTINGS: Settings<OverloadConfig> = {
  memoryMax: size(
    128 * MIB,
    TIB,
    'Memory that the process may take; from 70 % of it on the server does without something. Without it: 75 % of the machine’s memory, or of what its control group (container) leaves it.',
  ),
};
