// `iothub start`: runs the server until a signal ends it. The first SIGINT or SIGTERM stops it gracefully, the second at once.

import type { Config, QueueConfig } from '../../config/config.ts';
import type { ListenerConfig } from '../../config/listener-config.ts';
import type { Logger } from '../../core/logger.ts';
import type { QueueRule } from '../../core/queue-rules.ts';
import { StoreUnusableError } from '../../server/recovery.ts';
import { Server } from '../../server/server.ts';
import { isContainer } from '../container.ts';
import { ExitCode } from '../exit-code.ts';
import { greet } from '../greeting.ts';
import { listenersOf } from '../listeners.ts';
import type { ChosenStorage } from '../storage.ts';

/** Time for the last lines of the log to get out, once everything is closed. */
const LINGER_MS = 1_000;

/** Runs the server; settles when it has stopped, with the exit code. */
export async function start(
  config: Config,
  storage: ChosenStorage,
  logger: Logger,
  version: string,
): Promise<ExitCode> {
  const server = new Server({
    listeners: listenersOf(config),
    limits: config.limits,
    logger,
    storage: storage.storage,
    queueRules: config.queues.map(ruleOf),
  });
  storage.attach(server, logger);
  const { stopRequested, isStopRequested } = listenToSignals(server, logger);
  endOnSurprise(server, logger);
  logger.info({ version, node: process.version, pid: process.pid }, `IoTHub ${version} starts`);
  if (storage.storage === undefined) {
    logger.info({}, 'Sessions and messages are kept in memory only: a restart loses them');
  }
  // A signal stops a start, too.
  void stopRequested.then(() => server.stop());
  try {
    await server.start();
  } catch (error) {
    if (isStopRequested()) return stopped(server, logger);
    if (error instanceof StoreUnusableError) {
      process.stderr.write(`${error.message}\n`);
      return ExitCode.Store;
    }
    const reason = describeBindError(error, config.listeners);
    if (reason === null) throw error;
    process.stderr.write(`${reason}\n`);
    return ExitCode.Unavailable;
  }
  greet(server.addresses, logger, version, isContainer());
  await stopRequested;
  return stopped(server, logger);
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
  logger: Logger,
): { readonly stopRequested: Promise<void>; isStopRequested(): boolean } {
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
      logger.info(
        {},
        'SIGHUP: there is nothing to reload; restart to apply a changed configuration',
      );
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

/** One sentence for an address that cannot be listened on, or null when the error is another. */
function describeBindError(error: unknown, listeners: readonly ListenerConfig[]): string | null {
  const { code, address, port } = error as NodeJS.ErrnoException & {
    address?: string;
    port?: number;
  };
  const host = address ?? listeners[0].host;
  const number = port ?? listeners[0].port;
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${number} on ${host} is in use: stop the program that listens there, or choose another with --port or --listener.`;
    case 'EACCES':
      return `Port ${number} on ${host} may not be used by this user: choose one above 1023 with --port or --listener.`;
    case 'EADDRNOTAVAIL':
      return `The address ${host} is not one of this machine: choose another with --host or --listener.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name ${host} has no address: choose another with --host or --listener.`;
    default:
      return null;
  }
}
