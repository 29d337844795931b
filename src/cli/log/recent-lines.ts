// The last lines of the log, for whoever looks at a server that runs: so many, and new ones as they come. Who follows and is slow
// loses lines, and nobody else anything.

import { ControlError } from '../../server/contract.ts';

const LINES_MAX = 1_000;
const FOLLOWERS_MAX = 16;

export class RecentLines {
  readonly #lines: string[] = [];
  #next = 0;
  readonly #followers = new Set<(line: string) => void>();

  add(line: string): void {
    this.#lines[this.#next] = line;
    this.#next = (this.#next + 1) % LINES_MAX;
    for (const follower of this.#followers) follower(line);
  }

  /** Oldest first. */
  last(count: number): string[] {
    const inOrder = [...this.#lines.slice(this.#next), ...this.#lines.slice(0, this.#next)];
    return count === 0 ? [] : inOrder.slice(-count);
  }

  /** Throws ControlError when too many follow. */
  follow(onLine: (line: string) => void): () => void {
    if (this.#followers.size >= FOLLOWERS_MAX) {
      const problem = `${FOLLOWERS_MAX} others follow the log already`;
      throw new ControlError('unavailable', problem);
    }
    // An object of its own for each, so that the same function may follow twice.
    const follower = (line: string): void => onLine(line);
    this.#followers.add(follower);
    return () => void this.#followers.delete(follower);
  }
}
