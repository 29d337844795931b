// What explanations are made from.

import type { Context } from '../../session/context.ts';
import type { ExplainedDrop } from '../contract/explain.ts';
import type { Registry } from '../registry.ts';

/** Remembers what was lost lately. */
export interface RecentDrops {
  /** What this client should have got, of this topic; the newest first. */
  recentDropsOf(clientId: string, topicName: string, max: number): readonly ExplainedDrop[];
}

export interface ExplainParts {
  readonly context: Context;
  readonly registry: Registry;
  /** null: nobody does. */
  readonly recentDrops: RecentDrops | null;
  /** What a user belongs to who has no session here. */
  groupsOf(username: string): readonly string[];
}
