// How important a line of the log is, and the parts of the server that have a level each. A line says its part in `module`;
// which folder is which stands in docs/logs.md.

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
/** `silent` shows nothing. */
export type LogLevel = (typeof LOG_LEVELS)[number];

export const LOG_MODULES = [
  'access',
  'admin',
  'server',
  'session',
  'storage',
  'transport',
] as const;
export type LogModule = (typeof LOG_MODULES)[number];
