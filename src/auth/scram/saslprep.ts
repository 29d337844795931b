// How names and passwords are prepared for SCRAM: SASLprep, RFC 4013. A client that follows RFC 5802 §2.2 prepares a password
// before it hashes it, so the server must have hashed the same text.
//
// What maps and what is prohibited is done as written there. Two checks are left out on purpose: of texts that mix directions
// of writing, and of code points that Unicode 3.2 had not assigned. They only refuse, and so change no text that both sides have.

/** RFC 3454 table C.1.2, which RFC 4013 §2.1 maps to a space. */
const SPACES = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/g;

/** RFC 3454 table B.1, which is mapped to nothing. */
const NOTHING =
  /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200c\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/g;

/** RFC 3454 tables C.1.2 and C.2.1 to C.9, of what is left when the above is mapped. RFC 4013 §2.3. */
const PROHIBITED = new RegExp(
  [
    SPACES.source,
    '[\\u0000-\\u001f\\u007f-\\u009f\\u06dd\\u070f\\u180e\\u2028\\u2029\\u2061-\\u2063]', // C.2: control
    '[\\u{1d173}-\\u{1d17a}]',
    '\\p{Co}', // C.3: private use
    '\\p{Noncharacter_Code_Point}', // C.4
    '\\p{Cs}', // C.5: surrogates
    '[\\ufff9-\\ufffd\\u2ff0-\\u2ffb]', // C.6, C.7: not for plain text
    '[\\u0340\\u0341\\u200e\\u200f\\u202a-\\u202e\\u206a-\\u206f]', // C.8: change the display
    '\\u{e0001}|[\\u{e0020}-\\u{e007f}]', // C.9: tags
  ].join('|'),
  'u',
);

/** The text as it is compared and hashed; null when it holds what is prohibited, or nothing is left of it. */
export function saslPrep(text: string): string | null {
  const prepared = text.replace(SPACES, ' ').replace(NOTHING, '').normalize('NFKC');
  return prepared === '' || PROHIBITED.test(prepared) ? null : prepared;
}
