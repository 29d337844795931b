// What a reload does, whoever asks for it: the configuration and everything that it names is read again, whole (or, when a
// watched file has changed, all that it names), and what can change while the server runs is changed in one moment. Whatever is wrong leaves everything as it was, is said in the log,
// every problem a line, and stays an alarm until a reload succeeds. Clients of listeners that stay notice nothing, unless they
// may not be here any more.

import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { AccessError } from '../auth/access-error.ts';
import type { Guard } from '../auth/guard/guard.ts';
import { withSecretsOfNow } from '../config/access-files.ts';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { ShownSetting } from '../config/shown.ts';
import type { Logger } from '../core/logger.ts';
import { SYSTEM_CLOCK } from '../lib/clock.ts';
import type { AccessReview } from '../server/access-control.ts';
import type { ReloadReport, ReloadRequest } from '../server/contract.ts';
import type { ListenerChanges } from '../server/listeners.ts';
import type { ServerOptions } from '../server/options.ts';
import type { Server } from '../server/server.ts';
import { TlsMaterialError } from '../transport/tls/findings.ts';
import { ACCESS_AT_START } from './access/configured.ts';
import { guardSettings } from './access/guard.ts';
import type { AccessInForce, NextAccess } from './access/in-force.ts';
import { listenerDifferences } from './access/inventory.ts';
import { quotaRules } from './access/quotas.ts';
import { accessFiles, isSame, type Look, lookAt } from './access/rest.ts';
import { describeBindError } from './bind-error.ts';
import { listenersOf } from './listeners.ts';
import type { Log } from './logger.ts';
import { tracingOf } from './tracing.ts';

/** How long files must be at rest before they are read. */
export interface RestTimes {
  /** Between two looks at them. */
  readonly lookMs: number;
  /** So long those must be as they are that were written lately: whoever writes one in pieces pauses. */
  readonly restMs: number;
  /** Those that do not come to rest until then are given up. */
  readonly patienceMs: number;
}

const REST_TIMES: RestTimes = { lookMs: 100, restMs: 1_000, patienceMs: 10_000 };
const ALARM = 'reload_failed';

/** The parts of the configuration that count from the next start on, by their names in the file. */
export const AT_START = [
  'limits',
  'queues',
  'storage',
  'drops',
  'metrics',
  'admin',
  'sys',
  'overload',
] as const;
/** Of `[log]`; the rest counts at once. */
export const LOG_AT_START = ['format', 'file'] as const;

/** It could be done, but looks like a mistake. */
class DoubtfulReload extends Error {
  readonly doubts: readonly string[];

  constructor(doubts: readonly string[]) {
    super(doubts.join('\n'));
    this.doubts = doubts;
  }
}

/**
 * What is read again: all of it; or only the files that the configuration names, and the configuration is as it was when
 * somebody last asked for all. Whoever is editing it has not asked yet.
 */
export type ReloadScope = 'all' | 'files';

/** Without a scope: all. */
interface ScopedRequest extends ReloadRequest {
  readonly scope?: ReloadScope;
}

/** Where the configuration comes from. */
export interface ConfigSource {
  /** null: there is none. */
  readonly file: string | null;
  /** Reads it again. */
  readonly load: () => Promise<Config>;
  /** Who said what of one that was loaded. */
  readonly describe?: (config: Config) => readonly ShownSetting[];
}

/** The configuration as somebody found it, and the files that it and access control are in. */
interface Reading extends Look {
  readonly config: Config | Error;
}

export interface ReloadParts {
  readonly server: Server;
  readonly access: AccessInForce;
  readonly guard: Guard;
  /** What the server was started with. */
  readonly started: Config;
  readonly source: ConfigSource;
  readonly logger: Logger;
  /** Its levels, and which clients have lines. */
  readonly log?: Log;
  /** What else reads files again; it never rejects. */
  readonly alsoReload?: () => Promise<void>;
  /** Default: what is good for people and their editors. */
  readonly times?: RestTimes;
}

export class Reload {
  readonly #parts: ReloadParts;
  /** Called when something else may be in force. */
  onReloaded: (() => void) | null = null;
  #running: Promise<unknown> = Promise.resolve();
  readonly #waiting = new Map<ReloadScope, Promise<ReloadReport>>();
  /** The configuration as it was last found to be right, and used. */
  #config: Config;
  /** Somebody asked for the configuration to be read again, which failed. */
  #isOwed = false;

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#config = parts.started;
  }

  /** In force, but for what counts at start only. */
  get config(): Config {
    return this.#config;
  }

  /** Reloads; who asks while others wait for the same gets theirs. Never rejects. */
  request(scope: ReloadScope): Promise<ReloadReport> {
    const waiting = this.#waiting.get(scope);
    if (waiting !== undefined) return waiting;
    const request = { force: false, dryRun: false, scope };
    const reloaded = this.run(request, () => void this.#waiting.delete(scope));
    this.#waiting.set(scope, reloaded);
    return reloaded;
  }

  /**
   * Reloads after whatever runs already; what another one does to clients may take its time meanwhile. Never rejects: what is
   * wrong is in the report.
   */
  run(request: ScopedRequest, onBegin: () => void = () => {}): Promise<ReloadReport> {
    const changed = this.#running.then(() => {
      onBegin();
      return this.#try(request);
    });
    this.#running = changed;
    return changed.then(({ report }) => report);
  }

  async #try(request: ScopedRequest): Promise<Changed> {
    const { logger, server } = this.#parts;
    // What was asked for, and failed, may be right by what has changed now.
    const isWhole = request.scope !== 'files' || this.#isOwed;
    if (!server.isRunning) {
      const message = 'Nothing is reloaded: the server is not running yet, or not any more';
      logger.info({}, message);
      return changedNothing([message]);
    }
    try {
      const { config, next } = await this.#readSettled(isWhole);
      if (request.dryRun) return { report: this.#foretell(request, config, next) };
      const changed = await this.#change(request, config, next);
      this.#config = config;
      this.#isOwed = false;
      server.alarms.clear(ALARM);
      return changed;
    } catch (error) {
      const problems = problemsOf(error);
      if (!request.dryRun) {
        this.#isOwed = isWhole;
        this.#complain(problems);
      }
      return changedNothing(problems);
    }
  }

  /** Never rejects. */
  async #foretell(
    { force }: ReloadRequest,
    config: Config,
    { built, changes, doubts }: NextAccess,
  ): Promise<ReloadReport> {
    const { server } = this.#parts;
    try {
      const wanted = listenersOf(config);
      const listeners = server.previewListeners(wanted);
      const review = await server.previewAccess(built.options, wanted);
      const effects = effectsOf(changes, listeners, review);
      const afterRestart = this.#afterRestart(config);
      return { ...effects, afterRestart, problems: force ? [] : doubts };
    } catch (error) {
      return { ...NOTHING, problems: problemsOf(error) };
    } finally {
      await built.drop();
    }
  }

  async #change({ force }: ReloadRequest, config: Config, next: NextAccess): Promise<Changed> {
    const { access, guard, log, logger, server } = this.#parts;
    const { built, changes, doubts } = next;
    let listeners: ListenerChanges;
    try {
      if (doubts.length > 0 && !force) throw new DoubtfulReload(doubts);
      listeners = await server.setListeners(listenersOf(config), built.options);
    } catch (error) {
      await built.drop();
      throw error;
    }
    access.adopt(next);
    this.onReloaded?.();
    guard.setSettings(guardSettings(config.penalties));
    await server.setQuotas(quotaRules(config));
    server.tracing.set(tracingOf(config));
    await server.reloadCertificates();
    await this.#parts.alsoReload?.();
    const { added, changed, removed } = listeners;
    logger.info({ added, changed, removed, access: changes }, 'The configuration was reloaded');
    const afterRestart = this.#afterRestart(config);
    if (afterRestart.length > 0) {
      logger.warn(
        { changed: afterRestart },
        'What changed in these parts of the configuration counts only after a restart',
      );
    }
    if (log !== undefined) {
      log.levels.configure(config.log);
      server.setConnectionLog(connectionLogOf(config, log));
    }
    const review = server.accessReviewed().catch((error: unknown) => {
      logger.error({ error: String(error) }, 'connected clients were not all looked at');
      return { ended: 0, muted: 0 };
    });
    const report = review.then((done) => ({
      ...effectsOf(changes, listeners, done),
      ...{ afterRestart, problems: [] },
    }));
    return { report };
  }

  /**
   * Reads everything once it is at rest: an editor that is still writing has emptied the file first, and half of a
   * configuration, or of a list of users, may well be a valid one.
   */
  async #readSettled(isWhole: boolean): Promise<{ config: Config; next: NextAccess }> {
    const { access, times = REST_TIMES } = this.#parts;
    const beganMs = SYSTEM_CLOCK.now();
    let former: Reading | null = null;
    let sinceMs = beganMs;
    for (;;) {
      const reading = await this.#read(isWhole);
      const { config, signatures, isFresh } = reading;
      const nowMs = SYSTEM_CLOCK.now();
      if (former === null || !isDeepStrictEqual(former.config, config)) sinceMs = nowMs;
      else if (!isSame(former.signatures, signatures)) sinceMs = nowMs;
      former = reading;
      if (nowMs - sinceMs >= (isFresh ? times.restMs : times.lookMs)) {
        if (config instanceof Error) throw config;
        const next = await access.build(config).catch((error: unknown) => error);
        const after = await lookAt([...signatures.keys()]);
        if (isSame(signatures, after.signatures)) {
          if (!isNext(next)) throw next;
          return { config, next };
        }
        if (isNext(next)) await next.built.drop();
      }
      if (nowMs - beganMs > times.patienceMs) throw new Error(NEVER_AT_REST);
      await delay(times.lookMs);
    }
  }

  async #read(isWhole: boolean): Promise<Reading> {
    const { access, source } = this.#parts;
    const before = isWhole && source.file !== null ? [source.file] : [];
    const config = await this.#tryLoad(isWhole);
    const files = config instanceof Error ? [...access.read.keys()] : accessFiles(config);
    return { config, ...(await lookAt([...before, ...files])) };
  }

  /** What is wrong as a value: it may be right in a moment. */
  async #tryLoad(isWhole: boolean): Promise<Config | Error> {
    const { source } = this.#parts;
    try {
      return isWhole ? await source.load() : await withSecretsOfNow(this.#config, source.file);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  /** Parts that changed, and count only from the next start on. */
  #afterRestart(config: Config): string[] {
    const { started } = this.#parts;
    const late: string[] = AT_START.filter(
      (part) => !isDeepStrictEqual(config[part], started[part]),
    );
    if (LOG_AT_START.some((key) => config.log[key] !== started.log[key])) {
      late.push('log (format, file)');
    }
    if (ACCESS_AT_START.some((key) => config.access[key] !== started.access[key])) {
      late.push('access (hash_workers, hash_queue_max, credentials_ttl, credentials_max)');
    }
    return late;
  }

  #complain(problems: readonly string[]): void {
    const { logger, server } = this.#parts;
    for (const problem of problems) logger.error({ problem }, 'The configuration stays as it was');
    const message = 'a reload failed: what was in force before still is';
    server.alarms.raise(ALARM, 'warning', message, { problems });
  }
}

/** Which clients that come and go have a line each. */
export function connectionLogOf(
  { log }: Config,
  { levels }: Log,
): NonNullable<ServerOptions['connectionLog']> {
  const { connections, connectionsRate } = log;
  const isFollowed = (clientId: string): boolean => levels.isFollowed(clientId);
  return { connections, connectionsRate, isFollowed };
}

const NEVER_AT_REST =
  'the files of the configuration do not come to rest: somebody keeps writing them';

const NOTHING: Omit<ReloadReport, 'problems'> = {
  changes: [],
  ended: 0,
  muted: 0,
  afterRestart: [],
};

/** What is different, and what that does to clients. */
function effectsOf(
  changes: readonly string[],
  listeners: ListenerChanges,
  { ended, muted }: Pick<AccessReview, 'ended' | 'muted'>,
): Pick<ReloadReport, 'changes' | 'ended' | 'muted'> {
  const all = [...listenerDifferences(listeners), ...changes];
  return { changes: all, ended: listeners.ended + ended, muted };
}

/** Everything is as it will be; what that did to clients is told when they have been looked at. */
interface Changed {
  readonly report: Promise<ReloadReport>;
}

function changedNothing(problems: readonly string[]): Changed {
  return { report: Promise.resolve({ ...NOTHING, problems }) };
}

function isNext(next: unknown): next is NextAccess {
  return typeof next === 'object' && next !== null && 'built' in next;
}

function problemsOf(error: unknown): string[] {
  if (error instanceof DoubtfulReload) return [...error.doubts];
  if (
    error instanceof ConfigError ||
    error instanceof TlsMaterialError ||
    error instanceof AccessError
  ) {
    return error.message.split('\n');
  }
  return [describeBindError(error) ?? (error instanceof Error ? error.message : String(error))];
}
