// A new password from whoever sits there: twice and unseen on a terminal, else a line of standard input. Nothing of it is ever
// printed.

import { StringDecoder } from 'node:string_decoder';
import { PASSWORD_BYTES_MAX } from '../auth/passwords/password-hash.ts';

/** Where a password is typed: a terminal, or anything that is read to its end. */
export interface PasswordInput extends AsyncIterable<Buffer | string> {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

export interface PasswordOutput {
  write(text: string): unknown;
}

/** No password came; the message says why. */
export class NoPassword extends Error {
  override readonly name = 'NoPassword';
  readonly isInterrupted: boolean;

  constructor(message: string, isInterrupted = false) {
    super(message);
    this.isInterrupted = isInterrupted;
  }
}

/** Twice the longest password, each with a line end. */
const INPUT_BYTES_MAX = 2 * (PASSWORD_BYTES_MAX + 2);

const ENTER = /[\r\n]/;
const INTERRUPT = '\u0003';
const END = '\u0004';
const ERASE = /[\b\u007f]/;
const ERASE_ALL = '\u0015';
const ESCAPE = '\u001b';
const CONTROL = /\p{Cc}/u;

/** Asks for a new password. Throws NoPassword. */
export async function askNewPassword(
  input: PasswordInput,
  output: PasswordOutput,
): Promise<Uint8Array> {
  if (input.isTTY !== true || input.setRawMode === undefined) return readPassword(input);
  input.setRawMode(true); // no echo; the keys that the terminal knows are ours then
  const keys = new Keys(input);
  try {
    const first = await keys.line(output, 'Password: ');
    const second = await keys.line(output, 'Once more: ');
    if (first === second) return Buffer.from(first);
    throw new NoPassword('the two passwords are not the same');
  } finally {
    input.setRawMode(false);
    await keys.end();
  }
}

/** One line, or the same line twice, as programs write it that are used to being asked twice. */
async function readPassword(input: PasswordInput): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > INPUT_BYTES_MAX) {
      throw new NoPassword(`the password has more than ${PASSWORD_BYTES_MAX} bytes`);
    }
    chunks.push(bytes);
  }
  const text = Buffer.concat(chunks)
    .toString('latin1')
    .replace(/\r?\n$/, '');
  const [first, second = first, ...more] = text.split(/\r?\n/);
  if (first !== second || more.length > 0) {
    throw new NoPassword(
      'standard input has several lines: expected the password as one line, or the same one twice',
    );
  }
  return Buffer.from(first, 'latin1');
}

/** What is typed, read character by character. */
class Keys {
  readonly #chunks: AsyncIterator<Buffer | string>;
  readonly #decoder = new StringDecoder('utf8');
  #typed: string[] = [];

  constructor(input: PasswordInput) {
    this.#chunks = input[Symbol.asyncIterator]();
  }

  async line(output: PasswordOutput, prompt: string): Promise<string> {
    output.write(prompt);
    const characters: string[] = [];
    try {
      for (;;) {
        const key = await this.#next();
        if (ENTER.test(key)) return characters.join('');
        if (key === INTERRUPT) throw new NoPassword('interrupted', true);
        if (key === END) throw new NoPassword('no password was given');
        if (ERASE.test(key)) characters.pop();
        else if (key === ERASE_ALL) characters.length = 0;
        else if (!CONTROL.test(key)) characters.push(key);
      }
    } finally {
      output.write('\n');
    }
  }

  /** Nothing more is read: an open terminal would keep the process alive. */
  async end(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #next(): Promise<string> {
    while (this.#typed.length === 0) {
      const { value, done } = await this.#chunks.next();
      if (done === true) return END;
      const text = this.#decoder.write(Buffer.from(value));
      if (!text.startsWith(ESCAPE)) this.#typed = [...text]; // an arrow or the like types nothing
    }
    return this.#typed.shift() ?? END;
  }
}
