// A server whose users are in a password file, as its configuration would make it: a chain, a hasher that a test may hold, the
// guard, and all of it under one fake clock. What operators would read is written down.

import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import type { GuardSettings } from '../../src/auth/guard/settings.ts';
import { CredentialCache } from '../../src/auth/passwords/credentials.ts';
import type { PasswordHasher } from '../../src/auth/passwords/hasher.ts';
import { parsePasswordFile } from '../../src/auth/passwords/password-file.ts';
import { PasswordFileAuthenticator } from '../../src/auth/passwords/password-file-authenticator.ts';
import { formatPasswordHash } from '../../src/auth/passwords/password-hash.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import type { ServerOptions } from '../../src/server/options.ts';
import { hashOf, testHasher } from '../auth/passwords/fixture.ts';
import { LogBook } from './log-book.ts';
import { startServer, type TestServer } from './wire.ts';

export interface PasswordServerOptions extends ServerOptions {
  readonly hasher: PasswordHasher;
  /** Passwords by user name. */
  readonly users: Readonly<Record<string, string>>;
  readonly anonymous?: boolean;
  readonly guard?: never;
  readonly penalties?: Partial<GuardSettings>;
  /** Passwords that were right are remembered; default: no. */
  readonly remembers?: boolean;
}

export interface PasswordServer {
  readonly broker: TestServer;
  readonly guard: Guard;
  readonly log: LogBook;
}

export async function startWithPasswords({
  hasher,
  users,
  anonymous = false,
  penalties: settings = {},
  remembers = false,
  ...options
}: PasswordServerOptions): Promise<PasswordServer> {
  const clock = new FakeClock();
  const log = new LogBook();
  const own = testHasher();
  const lines = Object.entries(users).map(
    async ([name, password]) => `${name}:${formatPasswordHash(await hashOf(own, password))}\n`,
  );
  const file = Buffer.from((await Promise.all(lines)).join(''));
  const passwords = await parsePasswordFile(file, 'passwd');
  const cache = remembers ? new CredentialCache({ clock, ttlMs: 60_000, entriesMax: 100 }) : null;
  const authenticator = new PasswordFileAuthenticator({ name: 'file', passwords, hasher, cache });
  const members = [{ name: 'file', authenticator, timeoutMs: 5_000 }];
  const chain = new AuthenticatorChain({ members, anonymous, clock, logger: log });
  const guard = new Guard({ settings, clock });
  const broker = await startServer({
    ...options,
    authenticator: chain,
    clock,
    guard,
    logger: log,
  });
  return { broker, guard, log };
}
