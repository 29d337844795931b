// Changes that must be on the disk before whoever asked for them is answered.

import type { Commits } from '../../core/commits.ts';
import type { Context } from '../../session/context.ts';
import { ControlError } from '../contract.ts';
import { durable } from '../store-table.ts';

/** Throws ControlError while nothing can be stored: better refused than done and back after a restart. */
export function needStore({ commits }: Context): void {
  if (commits?.isFailing !== true) return;
  throw new ControlError('unavailable', 'the store cannot be written now: nothing was changed');
}

/** Resolves when everything that was recorded so far is durable; at once without a store. */
export function whenDurable(commits: Commits | null): Promise<void> {
  if (commits === null || commits.lastRecorded <= commits.durable) return Promise.resolve();
  return durable(commits, commits.lastRecorded);
}
