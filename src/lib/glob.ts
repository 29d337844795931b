// Patterns of names in the configuration and in bans: `*` stands for any characters, also none; everything else is itself. What a
// client may choose is matched, so the time is bounded by the two lengths: no regular expression, no going back.

export class Glob {
  readonly #parts: readonly string[];

  constructor(pattern: string) {
    this.#parts = pattern.split('*');
  }

  /** It has no `*`: one name fits. */
  get isExact(): boolean {
    return this.#parts.length === 1;
  }

  matches(text: string): boolean {
    const parts = this.#parts;
    const last = parts.length - 1;
    const first = parts[0];
    if (last === 0) return text === first;
    const tailAt = text.length - parts[last].length;
    if (first.length > tailAt || !text.startsWith(first) || !text.endsWith(parts[last])) {
      return false;
    }
    let at = first.length;
    for (let i = 1; i < last; i++) {
      // The first place will do: it leaves the most for the parts after it.
      at = text.indexOf(parts[i], at);
      if (at < 0) return false;
      at += parts[i].length;
    }
    return at <= tailAt;
  }
}
