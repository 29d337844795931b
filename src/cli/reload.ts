// What SIGHUP does: the configuration is read again, whole, and what can change while the server runs is changed. Whatever is
// wrong leaves everything as it was, and is said in the log, every problem a line. Clients of listeners that stay notice nothing.

import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { Logger } from '../core/logger.ts';
import type { Server } from '../server/server.ts';
import { TlsMaterialError } from '../transport/tls/findings.ts';
import { describeBindError } from './bind-error.ts';
import { listenersOf } from './listeners.ts';

/** Between two readings of a file that somebody may be writing. */
const SETTLE_MS = 100;

/** The parts of the configuration that count from the next start on, by their names in the file. */
const AT_START = ['limits', 'queues', 'storage', 'log'] as const;

export class Reload {
  readonly #server: Server;
  readonly #load: () => Promise<Config>;
  readonly #logger: Logger;
  /** What the server was started with. */
  readonly #started: Config;
  #running: Promise<void> | null = null;
  #isWanted = false;

  constructor(server: Server, started: Config, load: () => Promise<Config>, logger: Logger) {
    this.#server = server;
    this.#started = started;
    this.#load = load;
    this.#logger = logger;
  }

  /** Reloads; asked while it does so, it does so once more. Never rejects. */
  request(): Promise<void> {
    this.#isWanted = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(): Promise<void> {
    while (this.#isWanted) {
      this.#isWanted = false;
      try {
        await this.#reload();
      } catch (error) {
        this.#complain(error);
      }
    }
  }

  async #reload(): Promise<void> {
    if (!this.#server.isRunning) {
      this.#logger.info({}, 'Nothing is reloaded: the server is not running yet, or not any more');
      return;
    }
    const config = await this.#loadSettled();
    const { added, changed, removed } = await this.#server.setListeners(listenersOf(config));
    await this.#server.reloadCertificates();
    this.#logger.info({ added, changed, removed }, 'The configuration was reloaded');
    const late = AT_START.filter((part) => !isDeepStrictEqual(config[part], this.#started[part]));
    if (late.length === 0) return;
    this.#logger.warn(
      { changed: late },
      'What changed in these parts of the configuration counts only after a restart',
    );
  }

  /**
   * Reads the configuration until it says the same twice: an editor that is still writing has emptied the file first, and half of
   * a configuration may well be a valid one.
   */
  async #loadSettled(): Promise<Config> {
    let former = await this.#tryLoad();
    for (;;) {
      await delay(SETTLE_MS);
      const config = await this.#tryLoad();
      if (!isDeepStrictEqual(config, former)) former = config;
      else if (config instanceof Error) throw config;
      else return config;
    }
  }

  /** What is wrong as a value: it may be right in a moment. */
  async #tryLoad(): Promise<Config | Error> {
    try {
      return await this.#load();
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #complain(error: unknown): void {
    for (const problem of problemsOf(error)) {
      this.#logger.error({ problem }, 'The configuration stays as it was');
    }
  }
}

function problemsOf(error: unknown): string[] {
  if (error instanceof ConfigError || error instanceof TlsMaterialError)
    return error.message.split('\n');
  return [describeBindError(error) ?? (error instanceof Error ? error.message : String(error))];
}
