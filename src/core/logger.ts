// What the server needs to say to people: four levels, fields first, then a sentence. pino fits it as it is; so does anything
// with these five methods. Text that a client chose goes into the fields, never into the message, so that no client can
// write a log line of its own making.

/** Where log lines go. The message path asks `isLevelEnabled` before it builds fields for `debug`. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger that adds these fields to every line. */
  child(fields: object): Logger;
  /** Whether a line of this level would be written at all; absent: packets are not told one by one. */
  isLevelEnabled?(level: string): boolean;
}

/** A logger for each part of the server; the levels of a log may differ by part. */
export interface ModuleLoggers {
  readonly access: Logger;
  readonly server: Logger;
  readonly session: Logger;
  readonly storage: Logger;
  readonly transport: Logger;
}

export function moduleLoggers(logger: Logger): ModuleLoggers {
  return {
    access: logger.child({ module: 'access' }),
    server: logger.child({ module: 'server' }),
    session: logger.child({ module: 'session' }),
    storage: logger.child({ module: 'storage' }),
    transport: logger.child({ module: 'transport' }),
  };
}

function ignore(): void {
  // Says nothing, on purpose.
}

/** Says nothing: the default of the library, whose embedder decides. */
export const SILENT: Logger = Object.freeze({
  debug: ignore,
  info: ignore,
  warn: ignore,
  error: ignore,
  child: () => SILENT,
  isLevelEnabled: () => false,
});

/** The embedder's logger, made harmless: what it throws is swallowed, since no line is worth a connection or a commit. */
export function guarded(logger: Logger): Logger {
  const guard =
    (level: 'debug' | 'info' | 'warn' | 'error') =>
    (fields: object, message: string): void => {
      try {
        logger[level](fields, message);
      } catch {
        // There is nobody left to tell.
      }
    };
  const { isLevelEnabled } = logger;
  return {
    debug: guard('debug'),
    info: guard('info'),
    warn: guard('warn'),
    error: guard('error'),
    child: (fields) => guarded(logger.child(fields)),
    ...(isLevelEnabled === undefined ? {} : { isLevelEnabled: isLevelEnabled.bind(logger) }),
  };
}
