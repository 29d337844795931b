// What authenticators share, and what outlives a reload: the threads that hash, the passwords that were right lately, the users
// of the store, the keys of tokens.

import type { JwtKeys } from '../../auth/jwt/keys.ts';
import { CredentialCache } from '../../auth/passwords/credentials.ts';
import { PasswordHasher } from '../../auth/passwords/hasher.ts';
import { UserDatabase } from '../../auth/users/user-database.ts';
import type { Config } from '../../config/config.ts';
import type { Alarms } from '../../core/alarms.ts';
import type { Logger } from '../../core/logger.ts';
import { type Clock, SYSTEM_CLOCK } from '../../lib/clock.ts';
import type { StoreTables } from '../../server/options.ts';

/** The table of the store that users are in. */
const USERS_TABLE = 'users';

export class AccessServices {
  readonly clock: Clock = SYSTEM_CLOCK;
  readonly logger: Logger;
  /** null: nobody looks (a check of the configuration). */
  readonly alarms: Alarms | null;
  readonly hasher: PasswordHasher;
  readonly credentials: CredentialCache;
  /** null: the store has none, or it is not open. */
  users: UserDatabase | null = null;
  /** By the names of their authenticators. */
  readonly jwtKeys = new Map<string, JwtKeys>();

  constructor({ access }: Config, logger: Logger, alarms: Alarms | null) {
    this.logger = logger;
    this.alarms = alarms;
    this.hasher = new PasswordHasher({
      ...(access.hashWorkers > 0 && { workers: access.hashWorkers }),
      queueMax: access.hashQueueMax,
    });
    this.credentials = new CredentialCache({
      clock: this.clock,
      ttlMs: access.credentialsTtlMs,
      entriesMax: access.credentialsMax,
    });
  }

  /** Reads the users of the store, whether or not somebody asks for them now. */
  async openUsers({ table }: StoreTables, onChange: (username: string) => void): Promise<void> {
    const users = table(USERS_TABLE);
    if (users === null) return;
    const { clock, hasher, logger } = this;
    this.users = await UserDatabase.load({ table: users, hasher, logger, clock, onChange });
  }

  async close(): Promise<void> {
    for (const keys of this.jwtKeys.values()) keys.close();
    await this.hasher.close();
  }
}
