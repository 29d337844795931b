// Literal bytes for tests: `hex` takes hex digits with free spacing and a `//` comment per line, and text in single quotes.

/** `hex('30 05 // PUBLISH\n 0003 \'a/b\'')` → bytes. */
export function hex(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const line of text.split('\n')) {
    for (const [token] of withoutComment(line).matchAll(/'[^']*'|[^\s']+/g)) {
      if (token.startsWith("'")) bytes.push(...new TextEncoder().encode(token.slice(1, -1)));
      else if (/^([0-9a-f]{2})+$/i.test(token)) bytes.push(...Buffer.from(token, 'hex'));
      else throw new Error(`not hex: ${token}`);
    }
  }
  return Uint8Array.from(bytes);
}

function withoutComment(line: string): string {
  let isQuoted = false;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === "'") isQuoted = !isQuoted;
    else if (!isQuoted && line.startsWith('//', i)) return line.slice(0, i);
  }
  return line;
}

/** Bytes as lower-case hex, two digits each, one space between. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
