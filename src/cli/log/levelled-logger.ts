// The logger that the server gets: it asks the gate of its module, and hands on what passes. A child that names a module has
// the gate of that module; any other has its parent's.

import { LOG_MODULES, type LogModule } from '../../core/log-level.ts';
import type { Logger } from '../../core/logger.ts';
import { type Gate, LEVEL_VALUES, type LogLevels } from './levels.ts';

/** What writes a line: pino. */
export interface LineMaker {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): LineMaker;
}

const { debug: DEBUG, info: INFO, warn: WARN, error: ERROR } = LEVEL_VALUES;

export class LevelledLogger implements Logger {
  readonly #levels: LogLevels;
  readonly #maker: LineMaker;
  readonly #module: LogModule;
  readonly #gate: Gate;

  constructor(levels: LogLevels, maker: LineMaker, module: LogModule) {
    this.#levels = levels;
    this.#maker = maker;
    this.#module = module;
    this.#gate = levels.gateOf(module);
  }

  debug(fields: object, message: string): void {
    if (this.#passes(DEBUG, fields)) this.#maker.debug(fields, message);
  }

  info(fields: object, message: string): void {
    if (this.#passes(INFO, fields)) this.#maker.info(fields, message);
  }

  warn(fields: object, message: string): void {
    if (this.#passes(WARN, fields)) this.#maker.warn(fields, message);
  }

  error(fields: object, message: string): void {
    if (this.#passes(ERROR, fields)) this.#maker.error(fields, message);
  }

  child(fields: object): Logger {
    const { module } = fields as { readonly module?: unknown };
    const named = LOG_MODULES.find((name) => name === module) ?? this.#module;
    return new LevelledLogger(this.#levels, this.#maker.child(fields), named);
  }

  /** Whether such a line may be written: that of some client, at least. */
  isLevelEnabled(level: string): boolean {
    const value = LEVEL_VALUES[level as keyof typeof LEVEL_VALUES] ?? 0;
    return value >= this.#gate.ofClients;
  }

  #passes(value: number, fields: object): boolean {
    if (value >= this.#gate.level) return true;
    if (value < this.#gate.ofClients) return false;
    const { clientId } = fields as { readonly clientId?: unknown };
    return typeof clientId === 'string' && this.#levels.wants(this.#module, value, clientId);
  }
}
