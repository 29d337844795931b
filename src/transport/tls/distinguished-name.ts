// The name of a subject or an issuer: an X.501 Name as text, and the common name in it. The text is what OpenSSL prints with
// `-nameopt RFC2253`, so that it can be compared with what operators see and what Mosquitto takes for a user name: the most
// specific part first, everything outside of printable ASCII escaped, what has no name of its own as its number and its bytes.

import { type DerReader, oidText, Tag } from './der.ts';

/** The attribute types that people use, with OpenSSL's short names. */
const SHORT_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.4': 'SN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.12': 'title',
  '2.5.4.13': 'description',
  '2.5.4.15': 'businessCategory',
  '2.5.4.16': 'postalAddress',
  '2.5.4.17': 'postalCode',
  '2.5.4.18': 'postOfficeBox',
  '2.5.4.19': 'physicalDeliveryOfficeName',
  '2.5.4.20': 'telephoneNumber',
  '2.5.4.41': 'name',
  '2.5.4.42': 'GN',
  '2.5.4.43': 'initials',
  '2.5.4.44': 'generationQualifier',
  '2.5.4.45': 'x500UniqueIdentifier',
  '2.5.4.46': 'dnQualifier',
  '2.5.4.51': 'houseIdentifier',
  '2.5.4.65': 'pseudonym',
  '2.5.4.72': 'role',
  '2.5.4.97': 'organizationIdentifier',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.3': 'mail',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
  '1.2.840.113549.1.9.2': 'unstructuredName',
  '1.3.6.1.4.1.311.60.2.1.1': 'jurisdictionL',
  '1.3.6.1.4.1.311.60.2.1.2': 'jurisdictionST',
  '1.3.6.1.4.1.311.60.2.1.3': 'jurisdictionC',
};
const COMMON_NAME = '2.5.4.3';

export interface DistinguishedName {
  /** Safe to print: printable ASCII only. */
  readonly text: string;
  /** The most specific one; null if there is none or it is not what a name may be. */
  readonly commonName: string | null;
  /** Every part is text without control characters: may stand for somebody. */
  readonly isClean: boolean;
}

/** Reads the next element, a Name. Throws DerError. */
export function readName(reader: DerReader): DistinguishedName {
  const name = reader.open(Tag.Sequence);
  const parts: string[] = [];
  let commonName: string | null = null;
  let isClean = true;
  while (!name.isAtEnd) {
    const attributes = name.open(Tag.Set);
    const printed: string[] = [];
    while (!attributes.isAtEnd) {
      const attribute = attributes.open(Tag.Sequence);
      const type = oidText(attribute.read(Tag.ObjectIdentifier));
      const tag = attribute.nextTag;
      const element = attribute.element();
      attribute.finish();
      const value = directoryString(tag, element);
      printed.unshift(print(type, value, element));
      const identity = value === null ? null : cleanText(value);
      if (identity === null && value !== '') isClean = false;
      if (type === COMMON_NAME) commonName = identity; // the last one is the most specific
    }
    parts.unshift(printed.join('+'));
  }
  return { text: parts.join(','), commonName, isClean };
}

/** The text, if it may stand for somebody: not empty, no control characters, no line separators, no half surrogates. */
export function cleanText(text: string): string | null {
  return text === '' || /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text) ? null : text;
}

function print(type: string, value: string | null, element: Uint8Array): string {
  const shortName = SHORT_NAMES[type];
  if (shortName !== undefined && value !== null) return `${shortName}=${escaped(value)}`;
  return `${shortName ?? type}=#${Buffer.from(element).toString('hex').toUpperCase()}`;
}

/** RFC 4514 §2.4, and everything that is not printable ASCII as the bytes of its UTF-8. */
function escaped(value: string): string {
  const bytes = Buffer.from(value, 'utf8');
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    const character = String.fromCharCode(byte);
    const isEdge = i === 0 || i === bytes.length - 1;
    if (byte < 0x20 || byte > 0x7e) {
      text += `\\${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    } else if (
      ',+"\\<>;'.includes(character) ||
      (character === ' ' && isEdge) ||
      (character === '#' && i === 0)
    ) {
      text += `\\${character}`;
    } else text += character;
  }
  return text;
}

/** The text of an attribute's value by its string type; null for what is none, or not what its type allows. */
function directoryString(tag: number, element: Uint8Array): string | null {
  const content = contentOf(element);
  switch (tag) {
    case Tag.Utf8String:
      return decoded('utf-8', content);
    case Tag.PrintableString:
    case Tag.NumericString:
    case Tag.Ia5String:
    case Tag.VisibleString:
      return content.every((byte) => byte < 0x80) ? latin1(content) : null;
    case Tag.TeletexString:
      return latin1(content); // T.61 on paper, Latin 1 in practice and in OpenSSL
    case Tag.BmpString:
      return content.length % 2 === 0 ? decoded('utf-16be', content) : null;
    case Tag.UniversalString:
      return utf32(content);
    default:
      return null;
  }
}

/** What is behind the header, which was checked when the element was read. */
function contentOf(element: Uint8Array): Uint8Array {
  const length = element[1] ?? 0;
  return element.subarray(length < 0x80 ? 2 : 2 + (length & 0x7f));
}

function decoded(encoding: 'utf-8' | 'utf-16be', content: Uint8Array): string | null {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return null;
  }
}

function latin1(content: Uint8Array): string {
  return Buffer.from(content.buffer, content.byteOffset, content.length).toString('latin1');
}

function utf32(content: Uint8Array): string | null {
  if (content.length % 4 !== 0) return null;
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  let text = '';
  for (let i = 0; i < content.length; i += 4) {
    const codePoint = view.getUint32(i);
    if (codePoint > 0x10ffff) return null;
    text += String.fromCodePoint(codePoint);
  }
  return text;
}
