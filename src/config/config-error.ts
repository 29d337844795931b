// What an operator gets when the configuration is wrong: every problem at once, each with the file, the line where it is
// known, the key's path, and what would be right.

export interface ConfigProblem {
  /** The key, as `limits.packet_size_max` or `listeners[1].port`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong and what would be right, without the path. */
  readonly message: string;
  /** Line of the file, from 1; null where it is not known. */
  readonly line: number | null;
  /** What said it, when it was not the file: a variable of the environment, a flag. It stands for file, line and path. */
  readonly source?: string;
}

/** The configuration cannot be used. `message` lists all problems, one a line. */
export class ConfigError extends Error {
  readonly file: string | null;
  readonly problems: readonly ConfigProblem[];

  constructor(file: string | null, problems: readonly ConfigProblem[]) {
    super(problems.map((problem) => describe(file, problem)).join('\n'));
    this.name = 'ConfigError';
    this.file = file;
    this.problems = problems;
  }
}

function describe(file: string | null, problem: ConfigProblem): string {
  if (problem.source !== undefined) return `${problem.source}: ${problem.message}`;
  let text = file === null ? '' : problem.line === null ? `${file}: ` : `${file}:${problem.line}: `;
  if (problem.path !== '') text += `${problem.path}: `;
  return text + problem.message;
}
