// Finds the calls of a logger in the sources, and the sentences that they write: literals, also chosen by a condition, and names
// of constants of the same file. What is put into a sentence is an ellipsis.

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface LogCall {
  /** `src/…` */
  readonly file: string;
  readonly line: number;
  /** Empty: they come from elsewhere. */
  readonly sentences: readonly string[];
}

/** `logger.info(`, `this.#log.warn(`, `refusalLog?.error(`, `logs.access.info(`, `findings.warn(`, `logger[level](`. */
const CALL =
  /\b(?:[lL]ogs?|[lL]ogger|logs\.\w+|findings|refusalLog)\s*\??\.(?:debug|info|warn|error)\(|[lL]ogger\[[\w.]+\]\(|host\.log\(|\btellFault\(/g;
const LEVEL = /^'(?:debug|info|warn|error)'$/;
/** Strings with a space in them are sentences; other literals are keys and names. */
const LITERAL = /'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g;

export function findLogCalls(root: string): LogCall[] {
  const files = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
  return files
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => callsIn(`src/${file}`, readFileSync(path.join(root, 'src', file), 'utf8')));
}

function callsIn(file: string, text: string): LogCall[] {
  return [...text.matchAll(CALL)]
    .filter(({ index }) => !/function $/.test(text.slice(0, index)))
    .map(({ 0: call, index }) => {
      const args = argumentsAt(text, index + call.length);
      const sentences = args.flatMap((arg) => sentencesIn(arg, text, index));
      const line = text.slice(0, index).split('\n').length;
      // What only joins two things is the key of a line, not its sentence.
      const worded = sentences.filter((sentence) => /[A-Za-z]/.test(sentence));
      return { file, line, sentences: [...new Set(worded)] };
    });
}

/** Top-level arguments of a call whose bracket was opened just before `at`. */
function argumentsAt(text: string, at: number): string[] {
  const args: string[] = [];
  let start = at;
  let depth = 1;
  let position = at;
  for (; depth > 0; position++) {
    const character = text[position];
    if (character === undefined) throw new Error('a call without an end');
    if (character === "'" || character === '`') position = endOfLiteral(text, position);
    else if ('([{'.includes(character)) depth++;
    else if (')]}'.includes(character)) depth--;
    else if (character === ',' && depth === 1) {
      args.push(text.slice(start, position));
      start = position + 1;
    }
  }
  args.push(text.slice(start, position - 1));
  return args.map((arg) => arg.trim()).filter((arg) => arg !== '');
}

/** Where the quote stands that ends the literal that begins at `at`. */
function endOfLiteral(text: string, at: number): number {
  const quote = text[at];
  let position = at + 1;
  while (text[position] !== quote) {
    if (text[position] === '\\') position++;
    else if (quote === '`' && text.startsWith('${', position)) {
      let depth = 1;
      position += 2;
      for (; depth > 0; position++) {
        if (text[position] === '{') depth++;
        if (text[position] === '}') depth--;
      }
      continue;
    }
    position++;
  }
  return position;
}

function sentencesIn(arg: string, text: string, at: number): string[] {
  if (arg.startsWith('{') || LEVEL.test(arg) || arg === "''") return []; // fields, a level, no key
  if (/^'[^']*'$/.test(arg) || /^`[^`]*`$/.test(arg)) return [shown(arg.slice(1, -1))];
  const own = literalsIn(arg);
  if (own.length > 0) return own;
  const names = arg.match(/\b[A-Za-z_]\w*\b/g) ?? [];
  return names.flatMap((name) => {
    const all = [...text.matchAll(new RegExp(`const ${name}\\b[^=;]*=(?!>)([\\s\\S]*?);\\n`, 'g'))];
    const isGlobal = /^[A-Z_]+$/.test(name);
    const constant = all.findLast(({ index }) => isGlobal || index < at);
    return constant === undefined || constant[1].includes('=>') ? [] : literalsIn(constant[1]);
  });
}

function literalsIn(code: string): string[] {
  return [...code.matchAll(LITERAL)]
    .map(([, plain, template]) => shown(plain ?? template))
    .filter((sentence) => sentence.includes(' ') && /[a-z]{2}/.test(sentence));
}

/** Without what is put into it. */
function shown(sentence: string): string {
  return sentence.replace(/\$\{[^}]*\}/g, '…').replaceAll("\\'", "'");
}
