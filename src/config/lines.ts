// On which line of a TOML file a key stands. The parser does not say, so the lines are read once more, for headers and keys
// at the start of a line only; inside an inline table the line of the table is given. Used for messages, nothing depends on it.

const HEADER = /^\s*(\[\[?)\s*([^\]]+?)\s*\]/;
const KEY =
  /^\s*((?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*'))*)\s*=/;

/** Knows the line of every table header and key that starts a line. */
export class Lines {
  readonly #lines = new Map<string, number>();

  constructor(toml: string) {
    const arrays = new Map<string, number>();
    let prefix = '';
    let multiline = '';
    for (const [index, line] of toml.split('\n').entries()) {
      const inside = multiline !== '';
      multiline = stillOpen(line, multiline);
      if (inside) continue;
      const header = HEADER.exec(line);
      if (header !== null) {
        prefix = unquoted(header[2]);
        if (header[1] === '[[') {
          const position = (arrays.get(prefix) ?? -1) + 1;
          arrays.set(prefix, position);
          this.#note(prefix, index);
          prefix = `${prefix}[${position}]`;
        }
        this.#note(prefix, index);
        continue;
      }
      const key = KEY.exec(line);
      if (key !== null)
        this.#note(prefix === '' ? unquoted(key[1]) : `${prefix}.${unquoted(key[1])}`, index);
    }
  }

  #note(path: string, index: number): void {
    if (!this.#lines.has(path)) this.#lines.set(path, index + 1);
  }

  /** The line of the key, or of the nearest table around it; null when neither is known. */
  of(path: string): number | null {
    for (let at = path; at !== ''; at = at.replace(/(?:^|\.)[^.[\]]*$|\[\d+\]$/, '')) {
      const line = this.#lines.get(at);
      if (line !== undefined) return line;
    }
    return null;
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
