// The server's half of SCRAM-SHA-256: RFC 5802, RFC 7677. What a client may say, what is refused, and that an unknown user is
// shown the same as a known one.

import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { AuthStep } from '../../../src/auth/auth.ts';
import {
  type ScramAccounts,
  ScramExchange,
  type ScramOptions,
} from '../../../src/auth/scram/exchange.ts';
import { type ScramSecrets, secretsFrom } from '../../../src/auth/scram/secrets.ts';
import { RFC_SALT, ScramClient } from '../../kit/scram-client.ts';

const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
const FIRST = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO';
const SERVER_FIRST = `r=rOprNGfwEbeRWgbNEkqO${SERVER_NONCE},s=${RFC_SALT},i=4096`;
const NONCE = `r=rOprNGfwEbeRWgbNEkqO${SERVER_NONCE}`;
const PROOF = 'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=';
const FINAL = `c=biws,${NONCE},p=${PROOF}`;
const REFUSAL = { reasonCode: 0x86, reasonString: 'no' } as const;

function secretsOf(password: string): ScramSecrets {
  const salt = Buffer.from(RFC_SALT, 'base64');
  return secretsFrom(pbkdf2Sync(password, salt, 4_096, 32, 'sha256'), salt, 4_096);
}

/** Everybody has the password `pencil`; `nobody` is not let in with it. */
const ACCOUNTS: ScramAccounts = {
  secretsOf: () => secretsOf('pencil'),
  accept: (username) =>
    username === 'nobody' ? 'there is no such user' : { reasonCode: 0, username, groups: ['g'] },
};

function exchangeOf(options: Partial<ScramOptions> = {}): ScramExchange {
  return new ScramExchange({
    accounts: ACCOUNTS,
    named: null,
    current: null,
    refusal: REFUSAL,
    nonce: () => SERVER_NONCE,
    ...options,
  });
}

function say(exchange: ScramExchange, text: string): AuthStep {
  return exchange.step(Buffer.from(text));
}

/** The data of a step as text, and its reason code. */
function told(step: AuthStep): unknown[] {
  const data = 'data' in step ? step.data : null;
  return [step.reasonCode, data == null ? null : Buffer.from(data).toString()];
}

/** A client that is not told of anything but its own mistake. */
function expectMalformed(step: AuthStep, reasonString: string): void {
  expect(step).toEqual({ reasonCode: 0x87, reasonString: expect.stringContaining(reasonString) });
}

/** What the exchange answers to both messages of a client. */
function run(client: ScramClient, options: Partial<ScramOptions> = {}): AuthStep {
  const exchange = exchangeOf(options);
  const step = say(exchange, client.first);
  const [reasonCode, serverFirst] = told(step);
  return reasonCode === 0x18 ? say(exchange, client.final(String(serverFirst))) : step;
}

describe('an exchange', () => {
  test('goes as in the example of RFC 7677 §3', () => {
    const exchange = exchangeOf();
    expect(told(say(exchange, FIRST))).toEqual([0x18, SERVER_FIRST]);
    const proven = say(exchange, FINAL);
    expect(proven).toMatchObject({ reasonCode: 0, username: 'user', groups: ['g'] });
    expect(told(proven)).toEqual([0, 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=']);
  });

  test('of a client that verifies the server satisfies it', () => {
    const client = new ScramClient('user', 'pencil', { nonce: 'abc' });
    expect(told(run(client))).toEqual([0, client.serverFinal]);
  });

  test('has a new nonce each time, behind the client’s', () => {
    const nonces = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const [, text] = told(say(exchangeOf({ nonce: undefined }), FIRST));
      const nonce = /^r=rOprNGfwEbeRWgbNEkqO([\x21-\x2b\x2d-\x7e]{24}),s=/.exec(String(text));
      nonces.add(String(nonce?.[1]));
    }
    expect(nonces.size).toBe(20);
    expect(nonces).not.toContain('undefined');
  });

  test('may begin with nothing: then the client is asked, once', () => {
    const exchange = exchangeOf();
    expect(exchange.step(null)).toEqual({ reasonCode: 0x18, data: null });
    expect(told(say(exchange, FIRST))).toEqual([0x18, SERVER_FIRST]);
    const silent = exchangeOf();
    expect(silent.step(new Uint8Array(0))).toEqual({ reasonCode: 0x18, data: null });
    expectMalformed(silent.step(null), 'no SCRAM message');
  });

  test('is over after its end, and after it was given up', () => {
    const done = exchangeOf();
    say(done, FIRST);
    say(done, FINAL);
    expectMalformed(say(done, FINAL), 'over');
    const failed = exchangeOf();
    say(failed, 'x');
    expectMalformed(say(failed, FIRST), 'over');
    const aborted = exchangeOf();
    say(aborted, FIRST);
    aborted.abort();
    expectMalformed(say(aborted, FINAL), 'over');
  });

  test('takes a proof once: a repeated one is for another nonce', () => {
    const exchange = exchangeOf({ nonce: () => 'another' });
    say(exchange, FIRST);
    expectMalformed(say(exchange, FINAL), 'another nonce');
  });
});

describe('credentials', () => {
  test('that are wrong are refused in the same words as an unknown user; the log knows why', () => {
    const wrong = run(new ScramClient('user', 'pen'));
    const unknown = run(new ScramClient('nobody', 'pencil'));
    const both = run(new ScramClient('nobody', 'pen'));
    expect(wrong).toEqual({ ...REFUSAL, about: 'user', detail: 'wrong password of "user"' });
    expect(unknown).toEqual({ ...REFUSAL, about: 'nobody', detail: 'there is no such user' });
    expect(both).toEqual(unknown);
  });

  test('a proof with one bit changed is wrong', () => {
    for (let bit = 0; bit < 256; bit += 17) {
      const proof = Buffer.from(PROOF, 'base64');
      proof[bit >> 3] ^= 1 << (bit & 7);
      const exchange = exchangeOf();
      say(exchange, FIRST);
      const step = say(exchange, `c=biws,${NONCE},p=${proof.toString('base64')}`);
      expect(step.reasonCode).toBe(0x86);
    }
  });

  test('the user name is prepared, and hashed as it was sent', () => {
    const names: string[] = [];
    const accounts: ScramAccounts = {
      ...ACCOUNTS,
      secretsOf: (username) => {
        names.push(username);
        return secretsOf('pencil');
      },
    };
    const step = run(new ScramClient('u\u00adse\u2168', 'pencil'), { accounts });
    expect(step).toMatchObject({ reasonCode: 0, username: 'useIX' });
    expect(names).toEqual(['useIX']);
  });

  test('a user name may hold commas and equals signs', () => {
    const client = new ScramClient('a=b,c=2C', 'pencil');
    expect(client.first).toContain('n=a=3Db=2Cc=3D2C,');
    expect(run(client)).toMatchObject({ reasonCode: 0, username: 'a=b,c=2C' });
  });
});

describe('identities', () => {
  test('the user name of CONNECT must be the one of SCRAM', () => {
    const client = new ScramClient('user', 'pencil');
    expect(run(client, { named: 'user' })).toMatchObject({ reasonCode: 0, username: 'user' });
    expectMalformed(run(client, { named: 'other' }), 'not the one of CONNECT');
  });

  test('re-authentication keeps the user name', () => {
    const client = new ScramClient('user', 'pencil');
    expect(run(client, { current: 'user' })).toMatchObject({ reasonCode: 0, username: 'user' });
    expectMalformed(run(client, { current: 'other' }), 'must keep the user name');
  });

  test('an authorization identity may be said when it is the same', () => {
    const same = new ScramClient('a,b', 'pencil', { gs2Header: 'n,a=a=2Cb,' });
    expect(run(same)).toMatchObject({ reasonCode: 0, username: 'a,b' });
    const other = new ScramClient('user', 'pencil', { gs2Header: 'n,a=admin,' });
    expectMalformed(run(other), 'acting as another user');
  });
});

describe('the first message', () => {
  test('may say that the client could bind the channel, and hold extensions', () => {
    const able = new ScramClient('user', 'pencil', { gs2Header: 'y,,' });
    expect(run(able)).toMatchObject({ reasonCode: 0 });
    const extended = new ScramClient('user', 'pencil', { extensions: ',x=1,Y=a=b' });
    expect(run(extended)).toMatchObject({ reasonCode: 0 });
  });

  test.each([
    ['p=tls-unique,,n=user,r=abc', 'channel binding is not supported'],
    ['p=tls-exporter,a=user,n=user,r=abc', 'channel binding is not supported'],
    ['n=user,r=abc', 'GS2 header'],
    ['x,,n=user,r=abc', 'GS2 header'],
    ['n,n=user,r=abc', 'GS2 header'],
    ['n,b=user,n=user,r=abc', 'GS2 header'],
    ['n,a=,n=user,r=abc', 'GS2 header'],
    [' n,,n=user,r=abc', 'GS2 header'],
    ['\ufeffn,,n=user,r=abc', 'GS2 header'],
    ['n,,', 'not an attribute'],
    ['n,,n=user', 'lacks the attribute "r"'],
    ['n,,r=abc,n=user', 'lacks the attribute "n"'],
    ['n,,n=user,x=1,r=abc', 'lacks the attribute "r"'],
    ['n,,n=,r=abc', 'not an attribute'],
    ['n,,n=user,r=', 'not an attribute'],
    ['n,,n=user,r=abc,', 'not an attribute'],
    ['n,,n=user,r=abc,xyz', 'not an attribute'],
    ['n,,n=user,r=abc,1=x', 'not an attribute'],
    ['n,,n=user,r=abc,r=abd', 'the attribute "r" twice'],
    ['n,,m=1,n=user,r=abc', 'unknown extension'],
    ['n,,n=user,r=abc,m=1', 'unknown extension'],
    ['n,,n=us=er,r=abc', 'invalid user name'],
    ['n,,n=us=2cer,r=abc', 'invalid user name'],
    ['n,,n=us=3,r=abc', 'invalid user name'],
    ['n,,n=us\u0007er,r=abc', 'invalid user name'],
    ['n,,n=\u00ad,r=abc', 'invalid user name'],
    ['n,a=us=er,n=user,r=abc', 'invalid user name'],
    ['n,,n=user,r=a b', 'invalid nonce'],
    ['n,,n=user,r=é', 'invalid nonce'],
    ['n,,n=us\0er,r=abc', 'NUL'],
  ])('%j is refused', (text, reasonString) => {
    expectMalformed(say(exchangeOf(), text), reasonString);
  });

  test('that is not UTF-8 is refused', () => {
    const bytes = Buffer.concat([Buffer.from('n,,n=us'), Buffer.of(0xff), Buffer.from(',r=abc')]);
    expectMalformed(exchangeOf().step(bytes), 'UTF-8');
  });

  test('has 4,096 bytes at most', () => {
    const longest = `n,,n=user,r=${'a'.repeat(4_096 - 12)}`;
    expect(say(exchangeOf(), longest).reasonCode).toBe(0x18);
    expectMalformed(say(exchangeOf(), `${longest}a`), '4096 bytes');
  });
});

describe('the last message', () => {
  test.each([
    ['', 'not an attribute'],
    ['p=', 'not an attribute'],
    [`c=biws,${NONCE}`, 'lacks the attribute "p"'],
    [`c=biws,${NONCE},p=${PROOF},x=1`, 'lacks the attribute "p"'],
    [`${NONCE},c=biws,p=${PROOF}`, 'lacks the attribute "c"'],
    [`c=biws,p=${PROOF}`, 'lacks the attribute "r"'],
    [`p=${PROOF}`, 'lacks the attribute "c"'],
    [`c=biws,${NONCE},m=1,p=${PROOF}`, 'unknown extension'],
    [`c=biws,${NONCE},p=${PROOF},p=${PROOF}`, 'the attribute "p" twice'],
    [`c=eSws,${NONCE},p=${PROOF}`, 'another GS2 header'],
    [`c=biws=,${NONCE},p=${PROOF}`, 'another GS2 header'],
    [`c=biwsAA==,${NONCE},p=${PROOF}`, 'another GS2 header'],
    [`c=biws,r=rOprNGfwEbeRWgbNEkqO,p=${PROOF}`, 'another nonce'],
    [`c=biws,${NONCE}x,p=${PROOF}`, 'another nonce'],
    [`c=biws,${NONCE},p=${PROOF.slice(0, -1)}`, 'invalid proof'],
    [`c=biws,${NONCE},p=${PROOF}=`, 'invalid proof'],
    [`c=biws,${NONCE},p= ${PROOF}`, 'invalid proof'],
    [`c=biws,${NONCE},p=${PROOF.replace('+', '-')}`, 'invalid proof'],
    [`c=biws,${NONCE},p=${PROOF.replace('Q=', 'R=')}`, 'invalid proof'],
    [`c=biws,${NONCE},p=${Buffer.alloc(31).toString('base64')}`, 'invalid proof'],
    [`c=biws,${NONCE},p=${Buffer.alloc(33).toString('base64')}`, 'invalid proof'],
  ])('%j is refused', (text, reasonString) => {
    const exchange = exchangeOf();
    say(exchange, FIRST);
    expectMalformed(say(exchange, text), reasonString);
    expectMalformed(say(exchange, FINAL), 'over');
  });

  test('that is missing is refused', () => {
    const exchange = exchangeOf();
    say(exchange, FIRST);
    expectMalformed(exchange.step(null), 'no SCRAM message');
  });
});
