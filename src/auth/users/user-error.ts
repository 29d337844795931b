// What whoever manages users gets when it cannot be done: one sentence, and of what kind it is.

/**
 * `unknown`: there is no such user. `exists`: there is one already. `invalid`: a name, group or password that cannot be.
 * `full`: there are as many users as may be. `unreadable`: its record is damaged, or of a later version.
 */
export type UserProblem = 'unknown' | 'exists' | 'invalid' | 'full' | 'unreadable';

export class UserError extends Error {
  override readonly name = 'UserError';
  readonly problem: UserProblem;

  constructor(problem: UserProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}
