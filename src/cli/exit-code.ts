// What the exit code of `iothub` says. The numbers follow sysexits.h where it has one.

import type { StoreProblem } from '../storage/store-folder/store-error.ts';

export const ExitCode = {
  /** Stopped as asked, or answered a question such as --version. */
  Ok: 0,
  /** Something failed while running, or a store that was to be verified is damaged. */
  Runtime: 1,
  /** The command line is wrong. */
  Usage: 2,
  /** An address cannot be listened on: in use, not allowed, not of this machine. */
  Unavailable: 69,
  /** The store or its folder cannot be used: permissions, disk, damage that must not be set aside, a later version's. */
  Store: 74,
  /** Somebody else has the data folder: later it may work. */
  InUse: 75,
  /** The configuration is wrong. */
  Config: 78,
  /** Stopped at once by a second SIGINT. */
  Interrupted: 130,
  /** Stopped at once by a second SIGTERM. */
  Terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** Of `iothub pub` and `iothub sub` beside those, as mosquitto_pub and mosquitto_sub have them; else what the server answered. */
export const ClientExitCode = {
  /** The connection was lost before everything was sent and acknowledged. */
  ConnectionLost: 7,
  /** The time of -W was over before the messages of -C were there. */
  TimeOver: 27,
} as const;

/** Of a command that could not use the store. */
export const STORE_EXIT_CODES: Readonly<Record<StoreProblem, ExitCode>> = {
  'in-use': ExitCode.InUse,
  unusable: ExitCode.Store,
  newer: ExitCode.Store,
  damaged: ExitCode.Runtime,
  failed: ExitCode.Runtime,
};
