// Finds the PEM blocks of a file (RFC 7468): what is between BEGIN and END of the same label. Text around them, which OpenSSL
// likes to write, is left out.

export interface PemBlock {
  /** `CERTIFICATE`, `X509 CRL`, `PRIVATE KEY`, … */
  readonly label: string;
  readonly der: Buffer;
}

export interface PemFile {
  readonly blocks: readonly PemBlock[];
  /** The label of a block that begins and does not end. */
  readonly unfinished: string | null;
}

const BEGIN = '-----BEGIN ';
const DASHES = '-----';

export function readPem(text: string): PemFile {
  const blocks: PemBlock[] = [];
  for (let at = text.indexOf(BEGIN); at >= 0; at = text.indexOf(BEGIN, at)) {
    const labelEnd = text.indexOf(DASHES, at + BEGIN.length);
    const label = text.slice(at + BEGIN.length, labelEnd < 0 ? at + BEGIN.length : labelEnd);
    const end = text.indexOf(`-----END ${label}-----`, labelEnd);
    const next = text.indexOf(BEGIN, labelEnd);
    if (labelEnd < 0 || end < 0 || (next >= 0 && next < end)) return { blocks, unfinished: label };
    blocks.push({ label, der: Buffer.from(text.slice(labelEnd + DASHES.length, end), 'base64') });
    at = end;
  }
  return { blocks, unfinished: null };
}

export function toPem(label: string, der: Uint8Array): string {
  const text = Buffer.from(der.buffer, der.byteOffset, der.length).toString('base64');
  const lines = text.match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
