// JSON of which two readers cannot understand different things: well-formed UTF-8, no name twice in an object (RFC 8259 §4 leaves
// open which one counts), and not nested without end.

const DEPTH_MAX = 32;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Throws an Error that says what is wrong; it quotes nothing of the text. */
export function parseStrictJson(bytes: Uint8Array): unknown {
  let text: string;
  let value: unknown;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new Error('is not UTF-8');
  }
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
  checkNames(text);
  return value;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `text` is valid JSON. */
function checkNames(text: string): void {
  const open: Set<string>[] = [];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '{' || character === '[') {
      if (open.length === DEPTH_MAX) throw new Error(`is nested more than ${DEPTH_MAX} times`);
      open.push(new Set());
    } else if (character === '}' || character === ']') {
      open.pop();
    } else if (character === '"') {
      const start = i;
      i = endOfString(text, i);
      if (!isName(text, i)) continue;
      const name: string = JSON.parse(text.slice(start, i + 1));
      const names = open.at(-1);
      if (names?.has(name)) throw new Error('has a name twice in one object');
      names?.add(name);
    }
  }
}

/** The position of the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

/** Whether the string that ends there is a name: a colon follows, and only then. */
function isName(text: string, end: number): boolean {
  let i = end + 1;
  while (text[i] === ' ' || text[i] === '\n' || text[i] === '\r' || text[i] === '\t') i++;
  return text[i] === ':';
}
