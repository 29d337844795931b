// Cases of a contract as tests. What a place cannot show is skipped, for the reasons in cannot-run.ts: any other reason is
// a failure, and so is one that nothing needs any more, so that nothing is skipped in silence.

import { afterAll, describe, test } from 'vitest';
import { CannotRun } from '../../src/contracts/place.ts';
import { CANNOT_RUN } from './cannot-run.ts';

/** Hashes are slow on purpose; disks of busy machines take seconds for what is done in a moment elsewhere. */
const TIMEOUT_MS = 60_000;

export function testCases<C extends { readonly title: string }>(
  name: string,
  kind: string,
  cases: readonly C[],
  run: (one: C) => Promise<void>,
): void {
  const cannotRun = CANNOT_RUN[name] ?? [];
  describe(`${name} keeps the contract of ${kind}`, () => {
    const given = new Set<string>();
    let done = 0;
    for (const one of cases) {
      test(one.title, { timeout: TIMEOUT_MS }, async (context) => {
        done++;
        try {
          await run(one);
        } catch (error) {
          if (!(error instanceof CannotRun)) throw error;
          const { message } = error;
          if (!cannotRun.includes(message)) {
            throw new Error(
              `${name}: a case is not shown, and cannot-run.ts does not say why: ${message}`,
            );
          }
          given.add(message);
          context.skip(message);
        }
      });
    }
    afterAll(() => {
      const unused = cannotRun.filter((reason) => !given.has(reason));
      if (done === cases.length && unused.length > 0) {
        throw new Error(
          `${name}: cannot-run.ts says why cases are not shown that are: ${unused.join('; ')}`,
        );
      }
    });
  });
}
