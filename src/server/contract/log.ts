// The log of a server that runs, as commands and the admin API see it: its levels, others for a while, and its last lines.

import type { LogLevel, LogModule } from '../../core/log-level.ts';

/** Another level for a while: of a module, of one client, or of both together. */
export interface RaisedLevel {
  readonly level: LogLevel;
  /** null: all. */
  readonly module: LogModule | null;
  /** A client id, `*` for any characters; null: whoever it is about. */
  readonly client: string | null;
  /** ISO 8601 */
  readonly expiresAt: string;
}

export interface LogState {
  /** As configured. */
  readonly level: LogLevel;
  /** As configured; only modules that have another one. */
  readonly levels: Readonly<Partial<Record<LogModule, LogLevel>>>;
  /** What holds instead, for a while. */
  readonly raised: readonly RaisedLevel[];
  /** Lines that nobody took in time, or that could not be written, since the start. */
  readonly lostLines: number;
}

export interface RaiseRequest {
  readonly level: LogLevel;
  readonly module: LogModule | null;
  readonly client: string | null;
  readonly durationMs: number;
}

/** What cannot be done throws ControlError. */
export interface LogControl {
  state(): LogState;
  /** Takes the place of what was said of the same module and client before. */
  raise(request: RaiseRequest): RaisedLevel;
  /** Everything is as configured again; returns how many there were. */
  reset(): number;
  /** The last lines, as JSON, oldest first; each ends with a newline. */
  last(count: number): readonly string[];
  /** Hands each new line to `onLine`, until the function that is returned is called. Throws when too many do. */
  follow(onLine: (line: string) => void): () => void;
}
