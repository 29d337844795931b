// What the server lends its store: the codec of messages, the alarms, the log, and a way to say that it is in trouble.

import type { MessageCodec, StorageHost } from '../storage/storage.ts';
import type { Alarms } from './alarms.ts';
import type { Commits } from './commits.ts';
import type { Logger } from './logger.ts';

export class StoreHost implements StorageHost {
  readonly #commits: Commits;
  readonly #alarms: Alarms;
  readonly #logger: Logger;
  #messages: MessageCodec | null = null;

  constructor(commits: Commits, alarms: Alarms, logger: Logger) {
    this.#commits = commits;
    this.#alarms = alarms;
    this.#logger = logger;
  }

  /** Known once the store has told what time it is there, which is before the first message. */
  get messages(): MessageCodec {
    if (this.#messages === null) throw new Error('the store has no clock yet');
    return this.#messages;
  }

  setCodec(messages: MessageCodec): void {
    this.#messages = messages;
  }

  setProblem(problem: string | null): void {
    this.#commits.setProblem(problem);
  }

  raiseAlarm(
    name: string,
    severity: 'warning' | 'critical',
    message: string,
    fields: object = {},
  ): void {
    this.#alarms.raise(name, severity, message, fields);
  }

  clearAlarm(name: string): void {
    this.#alarms.clear(name);
  }

  log(level: 'info' | 'warn' | 'error', fields: object, message: string): void {
    this.#logger[level](fields, message);
  }
}
