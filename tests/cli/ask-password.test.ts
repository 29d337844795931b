import { expect, test } from 'vitest';
import { askNewPassword, type PasswordInput } from '../../src/cli/ask-password.ts';

/** A terminal where this is typed, and what it shows. */
class Terminal implements PasswordInput {
  readonly isTTY = true;
  shown = '';
  /** Whether what is typed is shown; every change. */
  readonly raw: boolean[] = [];
  readonly #typed: readonly (string | Buffer)[];

  constructor(...typed: (string | Buffer)[]) {
    this.#typed = typed;
  }

  setRawMode(isRaw: boolean): void {
    this.raw.push(isRaw);
  }

  write(text: string): void {
    this.shown += text;
  }

  async *[Symbol.asyncIterator]() {
    yield* this.#typed;
  }
}

async function* chunks(...parts: (string | Buffer)[]) {
  yield* parts;
}

async function typed(...keys: (string | Buffer)[]): Promise<string> {
  const terminal = new Terminal(...keys);
  const password = await askNewPassword(terminal, terminal);
  return Buffer.from(password).toString();
}

test('on a terminal it is asked twice, and never shown', async () => {
  const terminal = new Terminal('s', 'ecret\r', 'secret', '\r');
  expect(Buffer.from(await askNewPassword(terminal, terminal)).toString()).toBe('secret');
  expect(terminal.shown).toBe('Password: \nOnce more: \n');
  expect(terminal.raw).toEqual([true, false]);
});

test.each<[string, (string | Buffer)[], string]>([
  ['both in one go', ['ab\rab\r'], 'ab'],
  ['line feeds', ['ab\nab\n'], 'ab'],
  ['erased characters, more than there are', ['\u007f\bx\u007fa\u{1f600}\bb\r', 'ab\r'], 'ab'],
  ['an erased line', ['wrong\u0015ab\r', 'ab\r'], 'ab'],
  ['arrows and other keys', ['a', '\u001b[A', '\u0001', 'b\r', 'ab\r'], 'ab'],
  ['a character in two pieces', [Buffer.from([0xc3]), Buffer.from([0xa4]), '\r', 'ä\r'], 'ä'],
  ['blanks at the ends', [' a b \r', ' a b \r'], ' a b '],
  ['nothing', ['\r\r'], ''],
])('understands %s', async (_name, keys, password) => {
  expect(await typed(...keys)).toBe(password);
});

test.each<[string, string[], string, boolean]>([
  ['another one the second time', ['ab\r', 'abc\r'], 'the two passwords are not the same', false],
  ['Ctrl-C', ['ab\u0003'], 'interrupted', true],
  ['Ctrl-D', ['ab\r', '\u0004'], 'no password was given', false],
  ['the end of the terminal', ['ab\r', 'ab'], 'no password was given', false],
])(
  '%s: there is no password, and the terminal is as it was',
  async (_name, keys, message, isInterrupted) => {
    const terminal = new Terminal(...keys);
    const asked = askNewPassword(terminal, terminal);
    await expect(asked).rejects.toMatchObject({ name: 'NoPassword', message, isInterrupted });
    expect(terminal.raw).toEqual([true, false]);
    expect(terminal.shown).toMatch(/^Password: \n(Once more: \n)?$/);
  },
);

test.each<[string, (string | Buffer)[], string]>([
  ['a line', ['secret\n'], 'secret'],
  ['a line of Windows', ['secret\r\n'], 'secret'],
  ['no line end', ['sec', 'ret'], 'secret'],
  ['the same line twice', ['secret\nsecret\n'], 'secret'],
  ['blanks', [' a b \n'], ' a b '],
  ['nothing', [], ''],
])('from standard input: %s', async (_name, parts, password) => {
  const read = await askNewPassword(chunks(...parts), { write: () => expect.unreachable() });
  expect(Buffer.from(read).toString()).toBe(password);
});

test('from standard input: bytes stay as they are', async () => {
  const bytes = Buffer.from([0xff, 0x00, 0xe4]);
  expect(await askNewPassword(chunks(bytes), { write() {} })).toEqual(bytes);
});

test.each([
  ['two lines', 'a\nb\n', 'has several lines'],
  ['three', 'a\na\na\n', 'has several lines'],
  ['an empty second one', 'a\n\n', 'has several lines'],
  ['far too much', 'x'.repeat(8_197), 'more than 4096 bytes'],
])('from standard input: %s is refused', async (_name, text, message) => {
  await expect(askNewPassword(chunks(text), { write() {} })).rejects.toThrow(message);
});
