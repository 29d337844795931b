// Who said what: a line of the file, a variable, a flag. A problem is told with the place where an operator can mend it.

import type { ConfigProblem } from './config-error.ts';
import type { Lines } from './lines.ts';
import { isWithin } from './raw.ts';

export class Origins {
  readonly #lines: Lines | null;
  /** By the path of the key: the variable or flag. */
  readonly #sources = new Map<string, string>();
  /** What of the file does not count, because flags stand for it. */
  readonly #replaced: string[] = [];

  constructor(lines: Lines | null) {
    this.#lines = lines;
  }

  /** This key or table is what a variable or flag says. */
  note(path: string, source: string): void {
    this.#sources.set(path, source);
  }

  /** Nothing that the file says under this key counts. */
  replace(path: string): void {
    this.#replaced.push(path);
  }

  /** The variable or flag that says this very key or table. */
  sourceOf(path: string): string | undefined {
    return this.#sources.get(path);
  }

  /** The line of the file on which this table begins; null when something else said it. */
  lineOf(path: string): number | null {
    if (this.#isReplaced(path)) return null;
    const line = this.#lines?.of(path) ?? null;
    if (line !== null) return line;
    // In an array that is written as a value the lines of its tables are not known, and that of the array is near.
    const isSaidElsewhere = [...this.#sources.keys()].some((key) => isWithin(key, path));
    return isSaidElsewhere ? null : (this.#lines?.of(path.replace(/\[\d+\]$/, '')) ?? null);
  }

  /** The problem with its place: of the key itself, of something in it, or of the nearest table around it. */
  locate(problem: ConfigProblem): ConfigProblem {
    if (problem.source !== undefined || problem.line !== null) return problem;
    const { path } = problem;
    return this.#at(path, problem) ?? this.#within(path, problem) ?? this.#around(path, problem);
  }

  #at(path: string, problem: ConfigProblem): ConfigProblem | null {
    const source = this.#sources.get(path);
    if (source !== undefined) return { ...problem, source };
    if (this.#isReplaced(path)) return null;
    const line = this.#lines?.of(path) ?? null;
    return line === null ? null : { ...problem, line };
  }

  #isReplaced(path: string): boolean {
    return this.#replaced.some((other) => path === other || path.startsWith(`${other}[`));
  }

  #within(path: string, problem: ConfigProblem): ConfigProblem | null {
    for (const [other, source] of this.#sources) {
      if (isWithin(other, path)) return { ...problem, source };
    }
    return null;
  }

  #around(path: string, problem: ConfigProblem): ConfigProblem {
    for (let at = path; at !== ''; at = at.replace(/(?:^|\.)[^.[\]]*$|\[\d+\]$/, '')) {
      const located = this.#at(at, problem);
      if (located !== null) return located;
    }
    return problem;
  }
}
