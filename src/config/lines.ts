// On which line of a TOML file a key stands. The parser does not say, so the lines are read once more, for headers and keys
// at the start of a line only; inside an inline table the line of the table is given. Used for messages, nothing depends on it.

const HEADER = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/;
const KEY =
  /^\s*((?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*'))*)\s*=/;

/** Knows the line of every table header and key that starts a line. */
export class Lines {
  readonly #lines = new Map<string, number>();
  /** The position of the last table of each array. */
  readonly #arrays = new Map<string, number>();

  constructor(toml: string) {
    let prefix = '';
    let multiline = '';
    for (const [index, line] of toml.split('\n').entries()) {
      const inside = multiline !== '';
      multiline = stillOpen(line, multiline);
      if (inside) continue;
      const header = HEADER.exec(line);
      if (header !== null) {
        prefix = this.#place(unquoted(header[2]), header[1] === '[[', index);
        continue;
      }
      const key = KEY.exec(line);
      if (key !== null)
        this.#note(prefix === '' ? unquoted(key[1]) : `${prefix}.${unquoted(key[1])}`, index);
    }
  }

  /** The path that a header opens: a table within an array belongs to the last one of it. */
  #place(header: string, isArray: boolean, index: number): string {
    let path = '';
    const parts = header.split('.');
    for (const [i, part] of parts.entries()) {
      path = path === '' ? part : `${path}.${part}`;
      const isLast = i === parts.length - 1;
      if (isLast) this.#note(path, index);
      const last = this.#arrays.get(path);
      if (isLast && isArray) {
        const position = (last ?? -1) + 1;
        this.#arrays.set(path, position);
        path += `[${position}]`;
        this.#note(path, index);
      } else if (last !== undefined) path += `[${last}]`;
    }
    return path;
  }

  #note(path: string, index: number): void {
    if (!this.#lines.has(path)) this.#lines.set(path, index + 1);
  }

  /** The line on which this very key or table stands; null when that is not known. */
  of(path: string): number | null {
    return this.#lines.get(path) ?? null;
  }
}

function unquoted(key: string): string {
  return key
    .split('.')
    .map((part) => part.trim().replace(/^(["'])(.*)\1$/, '$2'))
    .join('.');
}

/** The quotes of the multi-line string that is open after this line, or nothing. */
function stillOpen(line: string, open: string): string {
  let quotes = open;
  for (const match of line.matchAll(/"""|'''/g)) {
    if (quotes === '') quotes = match[0];
    else if (quotes === match[0]) quotes = '';
  }
  return quotes;
}
