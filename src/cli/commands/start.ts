// `iothub start`: runs the server until a signal ends it. The first SIGINT or SIGTERM stops it gracefully, the second at once.

import { AccessError } from '../../auth/access-error.ts';
import { Guard } from '../../auth/guard/guard.ts';
import { admitsAnonymous, authenticatorsOf } from '../../config/access-config.ts';
import type { Config, QueueConfig } from '../../config/config.ts';
import type { Logger } from '../../core/logger.ts';
import type { QueueRule } from '../../core/queue-rules.ts';
import { SYSTEM_CLOCK } from '../../lib/clock.ts';
import type { ServerControl } from '../../server/contract.ts';
import { Health } from '../../server/health.ts';
import type { ServerOptions } from '../../server/options.ts';
import { StoreUnusableError } from '../../server/recovery.ts';
import { Server } from '../../server/server.ts';
import { openFilesMax } from '../../transport/open-files.ts';
import { RuntimeLimitError } from '../../transport/runtime.ts';
import { TlsMaterialError } from '../../transport/tls/findings.ts';
import { TlsAlarms } from '../../transport/tls/tls-alarms.ts';
import { serverControl } from '../access/control.ts';
import { guardSettings } from '../access/guard.ts';
import { AccessInForce } from '../access/in-force.ts';
import { metricsControl } from '../access/metrics.ts';
import { quotaRules } from '../access/quotas.ts';
import { watchAccess } from '../access/watch.ts';
import { AdminDoor, AdminUnavailable } from '../admin/door.ts';
import { describeBindError } from '../bind-error.ts';
import { isContainer } from '../container.ts';
import { openControlSocket } from '../control.ts';
import { ExitCode } from '../exit-code.ts';
import { type Greeted, greet } from '../greeting.ts';
import { collectWhenIdle } from '../idle-collection.ts';
import { listenersOf } from '../listeners.ts';
import type { Log } from '../logger.ts';
import { managementControl, serverFacts } from '../management-control.ts';
import { warnOfOpenFiles } from '../open-files.ts';
import { type ConfigSource, connectionLogOf, Reload } from '../reload.ts';
import { ServiceNotify } from '../service-notify.ts';
import type { ChosenStorage } from '../storage.ts';
import { tracingOf } from '../tracing.ts';

/** Time for the last lines of the log to get out, once everything is closed. */
const LINGER_MS = 1_000;

/** The level of overload from which new clients are refused. */
const REFUSES_CLIENTS = 2;

/** Runs the server; settles when it has stopped, with the exit code. `source` is where a reload finds the configuration. */
export async function start(
  config: Config,
  source: ConfigSource,
  storage: ChosenStorage,
  log: Log,
  version: string,
): Promise<ExitCode> {
  const logger = log.logger.child({ module: 'server' });
  const access = new AccessInForce(log.logger.child({ module: 'access' }));
  const guard = new Guard({ settings: guardSettings(config.penalties) });
  const server = new Server({
    ...configured(config, version),
    logger: log.logger,
    connectionLog: connectionLogOf(config, log),
    storage: storage.storage,
    guard,
    prepareAccess: async (tables) => {
      await admin.loadTokens(tables);
      return access.prepare(config, tables);
    },
  });
  const health = healthOf(server);
  const adminLogger = log.logger.child({ module: 'admin' });
  const admin = new AdminDoor({
    ...{ config: config.admin, folder: storage.folder, guard, health, version },
    ...{ logger: adminLogger, services: () => access.services },
    alarms: TlsAlarms.of(server.alarms),
  });
  access.attach(server);
  access.onUserChange = () => admin.review();
  storage.attach(server, log.logger.child({ module: 'storage' }));
  const reloading = new Reload({
    ...{ server, access, guard, started: config, source, logger, log },
    alsoReload: () => admin.reload(),
  });
  const notify = new ServiceNotify(process.env, logger);
  const reload = () => reloadNotified(reloading, notify, version);
  const { stopRequested, isStopRequested } = listenToSignals(server, reload, log);
  endOnSurprise(server, logger);
  process.on('exit', () => log.flushSync());
  announce(config, storage, logger, version);
  // A signal stops a start, too.
  void stopRequested.then(() => [notify.stopping(), server.stop()]);
  try {
    await admin.open();
    await server.start();
  } catch (error) {
    await server.stop();
    await admin.close();
    await access.close();
    if (isStopRequested()) return stopped(server, logger);
    return failed(error);
  }
  const own = { health, tokens: admin.tokens, logins: admin.logins, log: log.control };
  const facts = serverFacts(version, config, storage, reloading, source);
  const control = serverControl(server, access, guard, reloading, {
    ...own,
    metrics: metricsControl(server, guard, { admin, ...own }, config.metrics, version),
    management: managementControl(server, facts),
  });
  await admin.serve(control);
  const closeDoors = await openDoors(control, access, reloading, storage, log);
  const authorizers = config.authorizers.map(({ name }) => name);
  greet(served(server, config), authorizers, logger, version, isContainer());
  notify.ready(`IoTHub ${version} serves`);
  const connections = () => openConnections(server);
  const collecting = collectWhenIdle({ clock: SYSTEM_CLOCK, connections });
  await stopRequested;
  collecting.cancel();
  return stopAll(server, { closeDoors, admin, access, notify }, logger);
}

interface Closed {
  readonly closeDoors: () => Promise<void>;
  readonly admin: AdminDoor;
  readonly access: AccessInForce;
  readonly notify: ServiceNotify;
}

/** Stops the server, and closes what acts on it or serves it. */
async function stopAll(
  server: Server,
  { closeDoors, admin, access, notify }: Closed,
  logger: Logger,
): Promise<ExitCode> {
  // Who is being answered does not hold up the stop.
  const closing = closeDoors().catch((error: unknown) => {
    logger.warn({ error: String(error) }, 'the control socket was not taken away');
  });
  await admin.retire();
  const exitCode = await stopped(server, logger);
  await closing;
  await admin.close();
  await access.close();
  await notify.close();
  return exitCode;
}

/** What keeps clients away beside the server's own state. */
function healthOf(server: Server): Health {
  const health = new Health(server);
  health.add('overloaded', () => {
    const { level, cause } = server.overload;
    return level < REFUSES_CLIENTS ? null : `new clients are refused: too much of ${cause}`;
  });
  health.add('draining', () =>
    server.management.drain.isOn ? 'clients are sent away: an operator drains the server' : null,
  );
  return health;
}

function announce(
  { limits }: Config,
  { storage }: ChosenStorage,
  logger: Logger,
  version: string,
): void {
  // Bun says which Node it takes after, too; undefined fields are left out.
  const runtime = { node: process.version, bun: process.versions.bun };
  logger.info({ version, ...runtime, pid: process.pid }, `IoTHub ${version} starts`);
  warnOfOpenFiles(openFilesMax(), limits.connectionsMax, logger);
  if (storage === undefined) {
    logger.info({}, 'Sessions and messages are kept in memory only: a restart loses them');
  }
}

/** Why it did not start, as a sentence; throws what needs none, since nobody expected it. */
function failed(error: unknown): ExitCode {
  const say = (message: string, exitCode: ExitCode): ExitCode => {
    process.stderr.write(`${message}\n`);
    return exitCode;
  };
  if (error instanceof StoreUnusableError) return say(error.message, ExitCode.Store);
  if (
    error instanceof TlsMaterialError ||
    error instanceof RuntimeLimitError ||
    error instanceof AccessError
  ) {
    return say(error.message, ExitCode.Config);
  }
  const reason = error instanceof AdminUnavailable ? error.message : describeBindError(error);
  if (reason === null) throw error;
  return say(reason, ExitCode.Unavailable);
}

/** What the configuration says of the server itself. */
function configured(config: Config, version: string): ServerOptions {
  return {
    listeners: listenersOf(config),
    limits: config.limits,
    queueRules: config.queues.map(ruleOf),
    quotas: quotaRules(config),
    sys: { ...config.sys, version },
    overload: config.overload,
    drops: config.drops,
    tracing: tracingOf(config),
  };
}

/** A reload that a service manager asked for by SIGHUP, which it waits for. */
async function reloadNotified(
  reloading: Reload,
  notify: ServiceNotify,
  version: string,
): Promise<void> {
  notify.reloading();
  const { problems } = await reloading.request('all');
  const failed = problems.length > 0 ? '; the last reload failed, see the log' : '';
  notify.ready(`IoTHub ${version} serves${failed}`);
}

/** What acts on a server that runs: commands by its control socket, files that change. Returns how to end it; never rejects. */
async function openDoors(
  control: ServerControl,
  access: AccessInForce,
  reloading: Reload,
  { folder }: ChosenStorage,
  { logger: root }: Log,
): Promise<() => Promise<void>> {
  const logger = root.child({ module: 'admin' });
  const watching = watchAccess(access, reloading, root.child({ module: 'access' }));
  if (folder === null) return () => watching.close();
  try {
    const closeSocket = await openControlSocket(folder, control, logger);
    return async () => {
      await watching.close();
      await closeSocket();
    };
  } catch (error) {
    const fields = { folder, error: (error as Error).message };
    logger.error(fields, 'there is no control socket: commands cannot reach this server');
    return () => watching.close();
  }
}

/** Where the server is, and who may come in there. */
function served({ addresses }: Server, config: Config): Greeted[] {
  return addresses.map((address, i) => {
    const listener = config.listeners[i];
    return {
      ...address,
      protocol: listener.protocol,
      needsCertificate: listener.tls?.clientCertificate === 'required',
      authenticators: authenticatorsOf(config, listener).map(({ name }) => name),
      admitsAnonymous: admitsAnonymous(config, listener),
    };
  });
}

function openConnections({ metrics }: Server): number {
  return metrics.connectionsOpened - metrics.connectionsClosed;
}

async function stopped(server: Server, logger: Logger): Promise<ExitCode> {
  await server.stop();
  logger.info({}, 'Stopped');
  return ExitCode.Ok;
}

function ruleOf(queue: QueueConfig): QueueRule {
  const { clientId, username, messagesMax, bytesMax, policy, qos0 } = queue;
  return {
    clientId,
    username,
    queueMessagesMax: messagesMax,
    queueBytesMax: bytesMax,
    queuePolicy: policy,
    queueQos0: qos0,
  };
}

/** `stopRequested` resolves at the first signal that asks to stop; the second ends the process. */
function listenToSignals(
  server: Server,
  reload: () => Promise<void>,
  log: Log,
): { readonly stopRequested: Promise<void>; isStopRequested(): boolean } {
  const logger = log.logger.child({ module: 'server' });
  let isStopping = false;
  const stopRequested = new Promise<void>((resolve) => {
    const onSignal = (signal: 'SIGINT' | 'SIGTERM', exitCode: ExitCode): void => {
      if (isStopping) {
        server.abort();
        process.exit(exitCode);
      }
      isStopping = true;
      logger.info({ signal }, 'Stopping; the same signal again stops at once');
      resolve();
    };
    process.on('SIGINT', () => onSignal('SIGINT', ExitCode.Interrupted));
    process.on('SIGTERM', () => onSignal('SIGTERM', ExitCode.Terminated));
    process.on('SIGHUP', () => {
      void log.reopen().then(reload);
    });
  });
  return { stopRequested, isStopRequested: () => isStopping };
}

/** A mistake of ours that nobody caught: said in the log, then the process ends, since its state is unknown. */
function endOnSurprise(server: Server, logger: Logger): void {
  process.on('uncaughtException', (err) => {
    logger.error({ err }, 'An error nobody expected ends the server');
    process.exitCode = ExitCode.Runtime;
    server.abort();
    setTimeout(() => process.exit(ExitCode.Runtime), LINGER_MS).unref();
  });
}
