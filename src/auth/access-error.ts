// What an operator gets when a file or a setting of access control cannot be used: every problem at once, each with the file
// and the line where it is known, and what would be right. What is in force stays in force; nothing opens.

export interface AccessProblem {
  /** null: it is not about a file. */
  readonly file: string | null;
  /** From 1; null where it is not known. */
  readonly line: number | null;
  /** What is wrong and what would be right. Never a password, a token or a hash. */
  readonly message: string;
}

/** Access control cannot be set up so. `message` lists all problems, one a line. */
export class AccessError extends Error {
  override readonly name = 'AccessError';
  readonly problems: readonly AccessProblem[];

  constructor(problems: readonly AccessProblem[]) {
    super(problems.map(describe).join('\n'));
    this.problems = problems;
  }
}

function describe({ file, line, message }: AccessProblem): string {
  if (file === null) return message;
  return line === null ? `${file}: ${message}` : `${file}:${line}: ${message}`;
}
