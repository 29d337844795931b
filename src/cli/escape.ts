// Text that came from outside, made harmless for a terminal and for whoever reads the log: control characters (also C1, which
// start escape sequences in some terminals), line separators and characters that change the direction of text.

const HARMFUL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** The text with each harmful character written as `\uXXXX`; also valid inside a JSON string. */
export function escapeHarmful(text: string): string {
  return text.replace(
    HARMFUL,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
