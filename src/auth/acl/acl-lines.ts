// The ACL file of Mosquitto, its grammar to the letter: `user NAME`, `topic [ACCESS] FILTER`, `pattern [ACCESS] FILTER`, and
// lines that begin with `#`. Spaces separate, tabs do not; what stands behind the access word to the end of the line is the
// filter, spaces included; a single word behind `topic` is the filter, even if it reads like an access word.
//
// Mosquitto stops at the first line that it does not understand; here all of them are told. What it takes but hardly anybody
// means is a warning.

import { readFile } from 'node:fs/promises';
import { parseTopicFilter } from '../../protocol/filter.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { AccessError, type AccessProblem } from '../access-error.ts';
import { quote } from './answers.ts';

export type AclAccess = 'read' | 'write' | 'readwrite' | 'deny';

/** A `topic` or `pattern` line. */
export interface AclEntry {
  readonly keyword: 'topic' | 'pattern';
  readonly access: AclAccess;
  readonly topicFilter: string;
  /** Whose line it is; null: anonymous clients. A pattern is everybody's, whatever stands above it. */
  readonly username: string | null;
  /** As it is written, without the blanks around it. */
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** A file that was read without a mistake. */
export interface AclFile {
  readonly file: string;
  /** In the order of the file. */
  readonly entries: readonly AclEntry[];
  /** What is odd but valid. */
  readonly warnings: readonly AccessProblem[];
}

const FILE_BYTES_MAX = 64 * 1024 * 1024;
/** Mosquitto takes no filter with more slashes, whatever limits are configured. */
const FILTER_LIMITS = { topicLengthMax: 65_535, topicLevelsMax: 201 };
const ACCESS_WORDS: readonly string[] = ['read', 'write', 'readwrite', 'deny'];
const LINE_FEED = 0x0a;

/** Reads and checks an ACL file. Throws AccessError with every problem in it. */
export async function loadAclFile(file: string): Promise<AclFile> {
  let content: Uint8Array;
  try {
    content = await readFile(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AccessError([{ file, line: null, message: `the ACL file cannot be read: ${why}` }]);
  }
  return parseAclFile(file, content);
}

/** Checks the content of an ACL file, UTF-8. Throws AccessError with every problem in it. */
export function parseAclFile(file: string, content: Uint8Array): AclFile {
  if (content.length > FILE_BYTES_MAX) {
    const message = `the ACL file has ${content.length} bytes; at most ${FILE_BYTES_MAX} are read`;
    throw new AccessError([{ file, line: null, message }]);
  }
  const reader = new AclReader(file);
  for (let start = 0; start < content.length; ) {
    const feed = content.indexOf(LINE_FEED, start);
    const end = feed < 0 ? content.length : feed;
    reader.read(content.subarray(start, end));
    start = end + 1;
  }
  if (reader.problems.length > 0) throw new AccessError(reader.problems);
  return { file, entries: reader.entries, warnings: reader.warnings };
}

class AclReader {
  readonly entries: AclEntry[] = [];
  readonly problems: AccessProblem[] = [];
  readonly warnings: AccessProblem[] = [];
  readonly #file: string;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #line = 0;
  #username: string | null = null;

  constructor(file: string) {
    this.#file = file;
  }

  read(bytes: Uint8Array): void {
    this.#line++;
    let text: string;
    try {
      text = trimEnd(this.#decoder.decode(bytes));
    } catch {
      this.#fail('the line is not UTF-8, so that it could fit no topic: save the file as UTF-8');
      return;
    }
    if (text === '' || text.startsWith('#')) return;
    if (text.includes('\0')) {
      this.#fail('the line has a NUL in it, which ends no name and no topic: remove it');
      return;
    }
    const [keyword, rest] = nextWord(text);
    if (keyword === 'user') this.#readUser(rest);
    else if (keyword === 'topic' || keyword === 'pattern') this.#readEntry(keyword, rest, text);
    else this.#fail(unknownKeyword(keyword));
  }

  #readUser(rest: string): void {
    const username = trimStart(rest);
    if (username === '') {
      this.#fail('"user" stands alone: write the user name behind it');
      return;
    }
    this.#username = username;
  }

  #readEntry(keyword: 'topic' | 'pattern', rest: string, text: string): void {
    const [word, behind] = nextWord(rest);
    if (word === '') {
      this.#fail(`"${keyword}" stands alone: write the access and the topic filter behind it`);
      return;
    }
    const isBare = behind === '';
    if (!isBare && !isAccess(word)) {
      this.#fail(
        `${quote(word)} is no access: ${ACCESS_WORDS.join(', ')} or nothing is expected before the filter; a filter with spaces in it needs one`,
      );
      return;
    }
    const topicFilter = isBare ? word : trimStart(behind);
    const problem = filterProblem(topicFilter);
    if (problem !== null) {
      this.#fail(`${quote(topicFilter)} is no topic filter: ${problem}`);
      return;
    }
    const access = isBare || !isAccess(word) ? 'readwrite' : word;
    const username = keyword === 'pattern' ? null : this.#username;
    const line = this.#line;
    this.entries.push({ keyword, access, topicFilter, username, text: trimStart(text), line });
    for (const warning of oddities(keyword, topicFilter, isBare)) this.#warn(warning);
  }

  #fail(message: string): void {
    this.problems.push({ file: this.#file, line: this.#line, message });
  }

  #warn(message: string): void {
    this.warnings.push({ file: this.#file, line: this.#line, message });
  }
}

/** The first word of what spaces separate, and what follows the space behind it. */
function nextWord(text: string): [word: string, rest: string] {
  let start = 0;
  while (text[start] === ' ') start++;
  const space = text.indexOf(' ', start);
  return space < 0 ? [text.slice(start), ''] : [text.slice(start, space), text.slice(space + 1)];
}

function isAccess(word: string): word is AclAccess {
  return ACCESS_WORDS.includes(word);
}

/** What C calls a space; JavaScript's `trim` takes more, which may well belong to a name. */
function isBlank(character: string): boolean {
  return ' \t\n\v\f\r'.includes(character);
}

function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isBlank(text[end - 1])) end--;
  return text.slice(0, end);
}

function trimStart(text: string): string {
  let start = 0;
  while (start < text.length && isBlank(text[start])) start++;
  return text.slice(start);
}

function unknownKeyword(keyword: string): string {
  const expected = 'a line begins with "user", "topic" or "pattern" and a space, or with #';
  if (keyword.startsWith('\ufeff')) {
    return `the file begins with a byte order mark, which Mosquitto does not take either: remove it; ${expected}`;
  }
  if (keyword.startsWith('#'))
    return 'a comment begins at the start of its line: remove the blanks';
  if (/\s/.test(keyword)) return `a tab separates nothing here, a space does: ${expected}`;
  return `${quote(keyword)} begins no line of an ACL file: ${expected}`;
}

/** A filter with `$share` is one like others here, which is why its levels are judged behind a first one. */
function filterProblem(filter: string): string | null {
  const limits = { ...FILTER_LIMITS };
  const isShare = filter === '$share' || filter.startsWith('$share/');
  const judged = isShare ? `x${filter.slice(1)}` : filter;
  try {
    parseTopicFilter(judged, limits);
    return null;
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

function oddities(keyword: 'topic' | 'pattern', filter: string, isBare: boolean): string[] {
  const found: string[] = [];
  const hasPlaceholder = /%[cu]/.test(filter);
  if (keyword === 'pattern' && !hasPlaceholder) {
    found.push(`the pattern ${quote(filter)} has neither %c nor %u in it: it is the same for all`);
  }
  if (keyword === 'topic' && hasPlaceholder) {
    found.push(`%c and %u mean something in "pattern" lines only; here they are plain text`);
  }
  if (isBare && isAccess(filter)) {
    found.push(
      `the only word behind "${keyword}" is the filter: this is about the topic ${quote(filter)}; if a filter is missing, write it`,
    );
  }
  if (filter.startsWith('$share/')) {
    found.push('no message has a topic that begins with $share: write what stands behind its name');
  }
  return found;
}
