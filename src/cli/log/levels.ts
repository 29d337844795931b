// Which lines are written: a level for everything, one for each module that has its own, and what somebody asked for in a
// running server, for a while. A logger asks its gate, which is two numbers that change when a level does: nothing is looked up
// for a line that nobody wants.

import { LOG_MODULES, type LogLevel, type LogModule } from '../../core/log-level.ts';
import type { Cancellable, Clock } from '../../lib/clock.ts';
import { Glob } from '../../lib/glob.ts';
import type { RaisedLevel, RaiseRequest } from '../../server/contract/log.ts';
import { ControlError } from '../../server/contract.ts';

export const LEVEL_VALUES: Readonly<Record<LogLevel, number>> = {
  debug: 20,
  info: 30,
  warn: 40,
  error: 50,
  silent: Number.POSITIVE_INFINITY,
};

/** Levels that were raised at the same time. */
const RAISED_MAX = 64;
const LOOK_MS = 1_000;
/** Where each change has its line. */
const AUDITED: LogModule = 'admin';

/** Of one module. */
export interface Gate {
  /** The least that is written, whoever it is about. */
  level: number;
  /** The least that is written if it is about a client that is followed. */
  ofClients: number;
}

interface Raised extends RaiseRequest {
  readonly glob: Glob | null;
  /** monotonic milliseconds */
  readonly untilMs: number;
  readonly shown: RaisedLevel;
}

export interface ConfiguredLevels {
  readonly level: LogLevel;
  readonly levels: Readonly<Partial<Record<LogModule, LogLevel>>>;
}

export class LogLevels {
  /** Called when one that was raised is over. */
  onOver: ((raised: RaisedLevel) => void) | null = null;
  #configured: ConfiguredLevels;
  #raised: Raised[] = [];
  readonly #clock: Clock;
  readonly #gates = new Map<LogModule, Gate>(
    LOG_MODULES.map((module) => [module, { level: 0, ofClients: 0 }]),
  );
  #looking: Cancellable | null = null;

  constructor(configured: ConfiguredLevels, clock: Clock) {
    this.#configured = configured;
    this.#clock = clock;
    this.#update();
  }

  get configured(): ConfiguredLevels {
    return this.#configured;
  }

  get raised(): readonly RaisedLevel[] {
    return this.#raised.map(({ shown }) => shown);
  }

  /** The same object as long as the process lives. */
  gateOf(module: LogModule): Gate {
    const gate = this.#gates.get(module);
    if (gate === undefined) throw new Error(`there is no module ${module}`);
    return gate;
  }

  /** A reload; what was raised stays. */
  configure(configured: ConfiguredLevels): void {
    this.#configured = configured;
    this.#update();
  }

  /** Throws ControlError when there are too many. */
  raise(request: RaiseRequest): RaisedLevel {
    const { client, durationMs, level, module } = request;
    const others = this.#raised.filter(
      (other) => other.module !== module || other.client !== client,
    );
    if (others.length >= RAISED_MAX) {
      const problem = `${RAISED_MAX} log levels are raised already: reset them, or wait`;
      throw new ControlError('failed', problem);
    }
    const expiresAt = new Date(this.#clock.wallNow() + durationMs).toISOString();
    const shown = { level, module, client, expiresAt };
    const glob = client === null ? null : new Glob(client);
    const untilMs = this.#clock.now() + durationMs;
    this.#raised = [...others, { ...request, glob, untilMs, shown }];
    this.#looking ??= this.#clock.every(LOOK_MS, () => this.#look());
    this.#update();
    return shown;
  }

  reset(): number {
    const count = this.#raised.length;
    this.#raised = [];
    this.#look();
    return count;
  }

  /** Whether a line of this level about this client is wanted for the client's sake. */
  wants(module: LogModule, value: number, clientId: string): boolean {
    return this.#raised.some(
      (raised) =>
        value >= LEVEL_VALUES[raised.level] &&
        (raised.module === null || raised.module === module) &&
        raised.glob?.matches(clientId) === true,
    );
  }

  /** Whether somebody follows this client. */
  isFollowed(clientId: string): boolean {
    return this.#raised.some(({ glob }) => glob?.matches(clientId) === true);
  }

  #look(): void {
    const nowMs = this.#clock.now();
    const over = this.#raised.filter(({ untilMs }) => untilMs <= nowMs);
    this.#raised = this.#raised.filter(({ untilMs }) => untilMs > nowMs);
    if (this.#raised.length === 0) {
      this.#looking?.cancel();
      this.#looking = null;
    }
    this.#update();
    for (const { shown } of over) this.onOver?.(shown);
  }

  #update(): void {
    const { level, levels } = this.#configured;
    for (const [module, gate] of this.#gates) {
      const mine = this.#raised.filter((raised) => (raised.module ?? module) === module);
      const whole = mine.filter(({ client }) => client === null);
      // What was said of the module goes before what was said of all.
      const said = whole.find((raised) => raised.module === module) ?? whole[0];
      const usual = LEVEL_VALUES[levels[module] ?? level];
      const wanted = said === undefined ? usual : LEVEL_VALUES[said.level];
      // Who changes something, a level for instance, cannot hide the line that says so.
      gate.level = module === AUDITED ? Math.min(wanted, usual) : wanted;
      const clients = mine.filter(({ client }) => client !== null);
      gate.ofClients = Math.min(gate.level, ...clients.map((raised) => LEVEL_VALUES[raised.level]));
    }
  }
}
