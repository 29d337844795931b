// Modules of somebody else: what an operator is told when one is none, and what becomes of those that fail.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Authorizer, UNDECIDED } from '../../src/auth/auth.ts';
import {
  loadAuthenticatorModule,
  loadAuthorizerModule,
  type ModuleOptions,
} from '../../src/auth/module.ts';
import { FakeClock } from '../../src/lib/clock.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';
import { clientOf, connectRequest, login } from '../kit/connect-request.ts';
import { temporaryFolder } from '../kit/folder.ts';
import { LogBook } from '../kit/log-book.ts';
import { turns, until } from '../kit/until.ts';

/** A folder with this module in it, and what loads it. */
function moduleOf(text: string, options: Partial<ModuleOptions> = {}) {
  const base = temporaryFolder();
  writeFileSync(path.join(base, 'mine.mjs'), text);
  const clock = new FakeClock();
  const book = new LogBook();
  const given: ModuleOptions = {
    ...{ name: 'mine', type: './mine.mjs', base, options: {} },
    ...{ timeoutMs: 700, logger: book, clock },
    ...options,
  };
  return { given, base, clock, book };
}

const makes = (authenticator: string): string =>
  `export const createAuthenticator = () => (${authenticator});`;
const makesAuthorizer = (authorizer: string): string =>
  `export const createAuthorizer = () => (${authorizer});`;

const ACCEPTING =
  '{ authenticate: ({ username }) => ({ reasonCode: 0, username, groups: ["g"] }) }';
const REQUEST = connectRequest();

describe('an authenticator', () => {
  test('gets its options, a logger and a clock, and is asked', async () => {
    const { given, clock, book } = moduleOf(
      `export async function createAuthenticator(options, { logger, clock }) {
        logger.info({ options }, 'made');
        options.url = 'changed';
        return { authenticate: () => ({ reasonCode: 0, username: String(clock.now()) }) };
      }`,
      { options: { url: 'x', nested: { list: [1] } } },
    );
    const authenticator = await loadAuthenticatorModule(given);
    expect(await authenticator.authenticate(REQUEST)).toMatchObject({ username: `${clock.now()}` });
    expect(book.infos).toMatchObject([{ message: 'made' }]);
    expect(given.options).toEqual({ url: 'x', nested: { list: [1] } });
  });

  test('that answers at once still does', async () => {
    const authenticator = await loadAuthenticatorModule(moduleOf(makes(ACCEPTING)).given);
    expect(authenticator.authenticate(login('ann', 'x'))).toMatchObject({ username: 'ann' });
  });

  test('may be in a package, and may be CommonJS', async () => {
    const base = temporaryFolder();
    const folder = path.join(base, 'node_modules/@them/auth');
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'package.json'), '{"name":"@them/auth","main":"it.cjs"}');
    // Node does not find this name by reading.
    const text = `module.exports[['create', 'Authenticator'].join('')] = () => (${ACCEPTING});`;
    writeFileSync(path.join(folder, 'it.cjs'), text);
    const { given } = moduleOf('', { base, type: '@them/auth' });
    const authenticator = await loadAuthenticatorModule(given);
    expect(await authenticator.authenticate(login('ann', 'x'))).toMatchObject({ username: 'ann' });
  });

  test.each([
    ['export const x = 1;', 'does not export a function createAuthenticator(options, { logger'],
    ['export const createAuthenticator = {};', 'does not export a function createAuthenticator'],
    [makesAuthorizer('{}'), 'does not export a function createAuthenticator'],
    ['export const = 1;', 'cannot be loaded: '],
    ['throw new Error("no licence");', 'cannot be loaded: no licence'],
    ['import "./other.mjs";', 'cannot be loaded: Cannot find module'],
    [
      'export function createAuthenticator() { throw new Error("no url"); }',
      'its createAuthenticator failed: no url',
    ],
    [
      'export const createAuthenticator = () => Promise.reject("no url");',
      'its createAuthenticator failed: no url',
    ],
    [makes('undefined'), 'its createAuthenticator returned undefined, not an authenticator'],
    [makes('null'), 'its createAuthenticator returned null, not an authenticator'],
    [makes('() => {}'), 'its createAuthenticator returned a function, not an authenticator'],
    [makes('{ authenticat: () => "next" }'), 'not return an authenticator: it has no method auth'],
    [makes('{ authenticate: true }'), 'it has no method authenticate'],
    [makes('{ authenticate() {}, begin: [] }'), 'returned one whose begin is a list: a method, or'],
    [makes('{ authenticate() {}, close: null }'), 'returned one whose close is null'],
    [makes('{ authenticate() {}, review: {} }'), 'returned one whose review is an object'],
  ])('that is none is one sentence: %s', async (text, sentence) => {
    const error = await loadAuthenticatorModule(moduleOf(text).given).catch((thrown) => thrown);
    expect(error.name).toBe('AccessError');
    expect(error.message).toMatch(/^mine: the module "\.\/mine\.mjs" [^\n]+$/);
    expect(error.message).toContain(sentence);
    expect(error.message).not.toContain('imported from');
  });

  test('that is not there is one sentence', async () => {
    for (const type of ['./no.mjs', '../no/no.mjs', 'no-such-package', '@them/no']) {
      const { given } = moduleOf('', { type });
      const error = await loadAuthenticatorModule(given).catch((thrown) => thrown);
      expect(error.name).toBe('AccessError');
      expect(error.message).toMatch(/^mine: the module "\S+" cannot be loaded: [^\n]+$/);
    }
  });

  test.each([
    'export const createAuthenticator = () => new Promise(() => {});',
    'await new Promise(() => {}); export {};',
  ])('that is never there is not waited for: %s', async (text) => {
    const { given, clock } = moduleOf(text);
    let error: Error | null = null;
    loadAuthenticatorModule(given).catch((thrown) => {
      error = thrown;
    });
    // Until it has begun to wait the clock has nothing to call back.
    await until(() => {
      clock.advance(10_000);
      return error !== null;
    });
    expect(error).toMatchObject({ message: expect.stringContaining('within 30000 ms') });
  });

  test.each([
    ['throws', '{ authenticate() { throw new Error("broken"); } }'],
    ['rejects', '{ async authenticate() { throw new Error("broken"); } }'],
    ['answers nothing', '{ authenticate() {} }'],
    ['answers true', '{ authenticate: () => true }'],
    ['answers true later', '{ authenticate: async () => true }'],
    ['lets in nobody', '{ authenticate: () => ({ reasonCode: 0 }) }'],
  ])('that %s refuses with 0x88', async (_, text) => {
    const { given, book } = moduleOf(makes(text));
    const authenticator = await loadAuthenticatorModule(given);
    const decision = await authenticator.authenticate(login('ann', 'x'));
    expect(decision).toMatchObject({ reasonCode: ReasonCode.ServerUnavailable });
    expect(book.lines).toMatchObject([{ level: 'warn', fields: { authenticator: 'mine' } }]);
  });

  test('that hangs refuses in time', async () => {
    const { given, clock } = moduleOf(makes('{ authenticate: () => new Promise(() => {}) }'));
    const authenticator = await loadAuthenticatorModule(given);
    const decision = authenticator.authenticate(login('ann', 'x'));
    clock.advance(700);
    expect(await decision).toMatchObject({ reasonCode: ReasonCode.ServerUnavailable });
  });

  test('is closed once, and may fail at that, or hang', async () => {
    const counting = moduleOf(
      'export const createAuthenticator = (_, { logger }) => ({ authenticate() {}, close: () => logger.info({}, "closed") });',
    );
    const counted = await loadAuthenticatorModule(counting.given);
    await Promise.all([counted.close?.(), counted.close?.()]);
    expect(counting.book.infos).toHaveLength(1);
    for (const close of ['close() { throw 1; }', 'async close() { throw 1; }', 'x: 1']) {
      const { given } = moduleOf(makes(`{ authenticate() {}, ${close} }`));
      await (await loadAuthenticatorModule(given)).close?.();
    }
    const { given, clock } = moduleOf(
      makes('{ authenticate() {}, close: () => new Promise(() => {}) }'),
    );
    const closed = (await loadAuthenticatorModule(given)).close?.();
    await turns(2);
    clock.advance(700);
    await closed;
  });
});

describe('an authorizer', () => {
  const ALL = `{
    rememberMs: 5,
    authorizeConnect: () => 0,
    authorizePublish: () => 0x87,
    authorizeSubscribe: async () => ({ qosMax: 1, isWhole: false }),
    authorizeReceive: () => -1,
    mayDeny: (client, filter) => filter === 'a',
    explain: () => ({ outcome: 'deny', source: 's', rule: 'r', file: 'f', line: 1, reason: 'x' }),
    explainConnect: async () => ({ outcome: 'allow', source: 's', rule: 'r', file: 'f', line: 2, reason: 'x' }),
  }`;
  const QUESTION = { action: 'publish', topic: 'a', qos: 0, retain: false } as const;

  async function load(authorizer: string) {
    const { given, ...rest } = moduleOf(makesAuthorizer(authorizer));
    return { authorizer: await loadAuthorizerModule(given), ...rest };
  }

  test('answers as it does', async () => {
    const { authorizer } = await load(ALL);
    const client = clientOf();
    expect(authorizer.rememberMs).toBe(5);
    expect(authorizer.authorizeConnect?.(client, REQUEST)).toBe(0);
    expect(authorizer.authorizePublish(client, 'a', 0, false)).toBe(0x87);
    expect(await authorizer.authorizeSubscribe(client, 'a', 0, null)).toEqual({
      ...{ qosMax: 1, isWhole: false },
    });
    expect(authorizer.authorizeReceive?.(client, 'a')).toBe(UNDECIDED);
    expect(['a', 'b'].map((one) => authorizer.mayDeny?.(client, one))).toEqual([true, false]);
    expect(await authorizer.explain?.(client, QUESTION)).toMatchObject({ source: 's', line: 1 });
    expect(await authorizer.explainConnect?.(client, REQUEST)).toMatchObject({ line: 2 });
  });

  test('has what it has, and not more', async () => {
    const { authorizer } = await load('{ authorizePublish() {}, authorizeSubscribe() {} }');
    const { authorizeConnect, authorizeReceive, explain, explainConnect, mayDeny, rememberMs } =
      authorizer;
    const optional = [authorizeConnect, authorizeReceive, explain, explainConnect, mayDeny];
    expect([...optional, rememberMs]).toEqual(new Array(6).fill(undefined));
  });

  test.each([
    ['throws', '() => { throw new Error("broken"); }', 'broken'],
    ['answers later', 'async () => false', 'mayDeny answered neither true nor false'],
    ['answers a number', '() => 0', 'mayDeny answered neither true nor false'],
  ])('whose mayDeny %s may deny anything', async (_, answer, error) => {
    const { authorizer, book } = await load(
      `{ authorizePublish() {}, authorizeSubscribe() {}, authorizeReceive: () => 0, mayDeny: ${answer} }`,
    );
    expect(authorizer.mayDeny?.(clientOf(), 'a')).toBe(true);
    expect(book.lines).toMatchObject([{ level: 'warn', fields: { error } }]);
  });

  test.each([
    [makes('{}'), 'does not export a function createAuthorizer(options, { logger, clock })'],
    [makesAuthorizer('7'), 'its createAuthorizer returned 7, not an authorizer'],
    [
      makesAuthorizer('{}'),
      'did not return an authorizer: it has no method authorizePublish, authorizeSubscribe',
    ],
    [
      makesAuthorizer('{ authorizePublish() {}, authorizeSubscribe() {}, authorizeReceive: true }'),
      'returned one whose authorizeReceive is true',
    ],
    [
      makesAuthorizer('{ authorizePublish() {}, authorizeSubscribe() {}, rememberMs: "1s" }'),
      'returned one whose rememberMs is a string',
    ],
    [
      makesAuthorizer('{ authorizePublish() {}, authorizeSubscribe() {}, rememberMs: NaN }'),
      'returned one whose rememberMs is NaN',
    ],
  ])('that is none is one sentence: %s', async (text, sentence) => {
    const error = await loadAuthorizerModule(moduleOf(text).given).catch((thrown) => thrown);
    expect(error.message).toMatch(/^mine: the module "\.\/mine\.mjs" [^\n]+$/);
    expect(error.message).toContain(sentence);
  });

  test.each([
    ['throws', '() => { throw new Error("broken"); }'],
    ['rejects', 'async () => { throw new Error("broken"); }'],
    ['answers nothing', '() => {}'],
    ['answers null', '() => null'],
    ['answers true', '() => true'],
    ['answers true later', 'async () => true'],
    ['answers a text', '() => "0"'],
    ['answers half a number', '() => 0.5'],
    ['answers what is no code', '() => 256'],
    ['answers less than UNDECIDED', '() => -2'],
    ['answers an object', '() => ({})'],
    ['answers half a grant', '() => ({ qosMax: 1 })'],
    ['answers a grant of another QoS', '() => ({ qosMax: 3, isWhole: true })'],
  ])('that %s refuses with 0x88', async (_, answer) => {
    const { authorizer, book } = await load(
      `{ authorizeConnect: ${answer}, authorizePublish: ${answer}, authorizeSubscribe: ${answer}, authorizeReceive: ${answer} }`,
    );
    const client = clientOf();
    const verdicts = [
      await authorizer.authorizeConnect?.(client, REQUEST),
      await authorizer.authorizePublish(client, 'a', 0, false),
      await authorizer.authorizeSubscribe(client, 'a', 0, null),
      authorizer.authorizeReceive?.(client, 'a'),
    ];
    expect(verdicts).toEqual(new Array(4).fill(ReasonCode.ServerUnavailable));
    expect(book.lines).toMatchObject([{ level: 'warn', fields: { authorizer: 'mine' } }]);
  });

  test('that hangs refuses in time; of a delivery it must say it at once', async () => {
    const hang = '() => new Promise(() => {})';
    const { authorizer, clock, book } = await load(
      `{ authorizePublish: ${hang}, authorizeSubscribe: ${hang}, authorizeReceive: ${hang}, explain: ${hang}, explainConnect: ${hang} }`,
    );
    const client = clientOf();
    expect(authorizer.authorizeReceive?.(client, 'a')).toBe(ReasonCode.ServerUnavailable);
    expect(book.lines[0]?.fields.error).toContain('it must answer at once');
    const verdicts = Promise.all([
      authorizer.authorizePublish(client, 'a', 0, false),
      authorizer.authorizeSubscribe(client, 'a', 0, null),
      authorizer.explain?.(client, QUESTION),
      authorizer.explainConnect?.(client, REQUEST),
    ]);
    clock.advance(700);
    const late = { outcome: 'deny', source: 'mine', reason: expect.stringContaining('within 700') };
    const { ServerUnavailable } = ReasonCode;
    expect(await verdicts).toMatchObject([ServerUnavailable, ServerUnavailable, late, late]);
  });

  test.each([
    '() => { throw new Error("broken"); }',
    '() => null',
    '() => ({ outcome: "yes", source: "s", rule: null, file: null, line: null, reason: "" })',
    '() => ({ outcome: "deny", rule: null, file: null, line: null, reason: "" })',
    '() => ({ outcome: "deny", source: "s", rule: null, file: null, line: 0, reason: "" })',
  ])('whose explanation is none is explained as that: %s', async (explain) => {
    const { authorizer } = await load(
      `{ authorizePublish() {}, authorizeSubscribe() {}, explain: ${explain} }`,
    );
    expect(await authorizer.explain?.(clientOf(), QUESTION)).toMatchObject({
      ...{
        outcome: 'deny',
        source: 'mine',
        reason: expect.stringMatching(/^its explain failed: /),
      },
    });
  });

  test('is closed once', async () => {
    const { given, book } = moduleOf(
      'export const createAuthorizer = (_, { logger }) => ({ authorizePublish() {}, authorizeSubscribe() {}, close: () => logger.info({}, "closed") });',
    );
    const authorizer: Authorizer = await loadAuthorizerModule(given);
    await authorizer.close?.();
    await authorizer.close?.();
    expect(book.infos).toHaveLength(1);
  });
});
