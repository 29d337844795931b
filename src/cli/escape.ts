// Text that came from outside, made harmless for a terminal and for whoever reads the log: control characters (also C1, which
// start escape sequences in some terminals), line separators, and format characters, which change the direction of text or are
// not seen at all, so that two names look alike.

/** U+2065 is kept for one of them; half a surrogate pair is no character. */
const HARMFUL = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u2065]/gu;

/** The text with each harmful character written as `\uXXXX`; also valid inside a JSON string. */
export function escapeHarmful(text: string): string {
  return text.replace(HARMFUL, (character) => {
    let escaped = '';
    for (let i = 0; i < character.length; i++) {
      escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
    }
    return escaped;
  });
}
