// What a client shows to come in is nobody else's: neither the log nor memory keeps it.

import v8 from 'node:v8';
import vm from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Authenticator, ConnectRequest } from '../../src/auth/auth.ts';
import { AuthenticatorChain } from '../../src/auth/chain.ts';
import { Guard } from '../../src/auth/guard/guard.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { authenticator as jwtAuthenticator, rawToken, token } from '../auth/jwt/kit.ts';
import { LogBook } from '../kit/log-book.ts';
import { knock, type Shown } from '../kit/login-client.ts';
import { settle, startServer, type TestServer } from '../kit/wire.ts';

/** Shows that; the code of CONNACK, once all is said. */
async function show(broker: TestServer, shown: Shown): Promise<number | null> {
  const code = await knock(broker.server.connect(), shown);
  await settle();
  return code;
}

describe('a token in the user name', () => {
  async function serve(tokenIn: 'username' | 'password') {
    const clock = new FakeClock();
    const logger = new LogBook();
    const jwt = await jwtAuthenticator({ tokenIn }, undefined, { clock });
    const members = [{ name: 'jwt', authenticator: jwt, timeoutMs: 5_000 }];
    const chain = new AuthenticatorChain({ members, anonymous: false, clock, logger });
    const guard = new Guard({ clock, settings: { failuresMax: 2 } });
    const broker = await startServer({ authenticator: chain, clock, guard, logger });
    return { broker, logger };
  }

  function expectSecret(logger: LogBook, text: string): void {
    const told = JSON.stringify(logger.lines);
    for (const part of text.split('.')) expect(told).not.toContain(part.slice(0, 40));
  }

  test.each([4, 5] as const)(
    'is in no log line, v%s: neither one that is refused nor the penalty that follows',
    async (version) => {
      const { broker, logger } = await serve('username');
      const expired = await token({ exp: 1 });
      const short = rawToken('{"alg":"HS256"}', '{"sub":"u"}');
      for (const text of [expired, short]) {
        for (let i = 0; i < 4; i++) {
          const code = await show(broker, {
            version,
            username: text,
            password: version === 4 ? 'x' : null,
          });
          expect(code).toBeGreaterThan(0);
        }
        expectSecret(logger, text);
      }
      expect(logger.lines.map(({ message }) => message).join()).toContain('a penalty begins');
      expect(
        await show(broker, {
          version,
          clientId: 'd',
          username: await token(),
          password: version === 4 ? '' : null,
        }),
      ).toBe(0);
      expectSecret(logger, await token());
    },
  );

  test('nor where it does not belong there: the client is configured wrong, and its token good elsewhere', async () => {
    const { broker, logger } = await serve('password');
    const text = await token();
    expect(await show(broker, { username: text })).toBe(0x86);
    expectSecret(logger, text);
    const open = new LogBook();
    const everybody = await startServer({ logger: open });
    expect(await show(everybody, { username: text })).toBe(0);
    expectSecret(open, text);
  });
});

describe('a password is not kept', () => {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as () => void;

  /** Remembers passwords so that they may be collected. */
  class Forgetful implements Authenticator {
    readonly passwords: WeakRef<Uint8Array>[] = [];

    authenticate(request: ConnectRequest) {
      this.#note(request);
      const accepted = { reasonCode: 0, username: request.username } as const;
      return request.username === 'slow' ? Promise.resolve(accepted) : accepted;
    }

    begin(_method: string, request: ConnectRequest) {
      this.#note(request);
      return { step: () => ({ reasonCode: 0, username: request.username }) as const };
    }

    #note({ password }: ConnectRequest): void {
      if (password !== null) this.passwords.push(new WeakRef(password));
    }
  }

  test.each([
    ['once its client is in', {}],
    ['nor when somebody had to think about it', { username: 'slow' }],
    ['nor with an authentication method', { method: 'M' }],
  ] as const)('%s', async (_, more) => {
    const authenticator = new Forgetful();
    const broker = await startServer({ authenticator });
    expect(await show(broker, { username: 'u', password: 'p'.repeat(1_000), ...more })).toBe(0);
    expect(authenticator.passwords).toHaveLength(1);
    for (let i = 0; i < 5; i++) {
      await settle();
      collect();
    }
    expect(authenticator.passwords[0].deref()).toBeUndefined();
    expect(broker.server.stats().connections).toBe(1);
  });
});
