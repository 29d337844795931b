// What admin, extensions and cluster may see of the server: plain values, counted from the structures when asked.

import type { DropControl } from './contract/drops.ts';
import type { EventControl } from './contract/events.ts';
import type { ExplainControl } from './contract/explain.ts';
import type { HealthControl } from './contract/health.ts';
import type { LogControl } from './contract/log.ts';
import type { ManagementControl } from './contract/management.ts';
import type { MetricsControl } from './contract/metrics.ts';
import type { LoginControl, TokenControl } from './contract/tokens.ts';
import type { TraceControl } from './contract/trace.ts';

/** Everything that can be counted, as of now. */
export interface ServerStats {
  /** Half-connected ones included. */
  readonly connections: number;
  readonly halfConnected: number;
  /** Connected or not. */
  readonly sessions: number;
  readonly sessionsConnected: number;
  /** Shared ones included. */
  readonly subscriptions: number;
  readonly sharedSubscriptions: number;
  readonly retainedMessages: number;
  readonly retainedBytes: number;
  readonly queuedMessages: number;
  readonly queuedBytes: number;
  readonly inflightMessages: number;
  /** Messages lost so far, by the names of `DropReason`. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** A session that was ended because its client has been away for long. */
export interface PurgedSession {
  readonly clientId: string;
  /** ISO 8601 */
  readonly disconnectedAt: string;
  readonly queuedMessages: number;
}

export interface PurgeOutcome {
  /** That were ended, or would be. */
  readonly sessions: number;
  /** Messages that waited in them. */
  readonly messages: number;
  /** The first 1,000 of them. */
  readonly items: readonly PurgedSession[];
}

// What commands for a running server ask of it, and later the admin API: all that goes in and comes out is JSON.

export type ControlProblem = 'invalid' | 'unknown' | 'exists' | 'unavailable' | 'failed';

/** What was asked for cannot be done: one sentence for people, and of what kind it is. */
export class ControlError extends Error {
  override readonly name = 'ControlError';
  readonly problem: ControlProblem;

  constructor(problem: ControlProblem, message: string) {
    super(message);
    this.problem = problem;
  }
}

export interface ControlledUser {
  readonly username: string;
  readonly groups: readonly string[];
  readonly isDisabled: boolean;
}

/** The users in the store. What cannot be done rejects with ControlError. */
export interface UserControl {
  list(): Promise<readonly ControlledUser[]>;
  get(username: string): Promise<ControlledUser | null>;
  add(user: {
    readonly username: string;
    readonly password: string;
    readonly isMachine: boolean;
    readonly groups: readonly string[];
  }): Promise<ControlledUser>;
  setPassword(
    username: string,
    password: { readonly password: string; readonly isMachine: boolean },
  ): Promise<ControlledUser>;
  setGroups(username: string, groups: readonly string[]): Promise<ControlledUser>;
  enable(username: string): Promise<ControlledUser>;
  disable(username: string): Promise<ControlledUser>;
  remove(username: string): Promise<void>;
}

export type BanKindName = 'address' | 'username' | 'client_id';

export interface ControlledBan {
  readonly kind: BanKindName;
  readonly pattern: string;
  readonly reason: string;
  readonly origin: string;
  /** ISO 8601 */
  readonly createdAt: string;
  /** ISO 8601; null = until somebody lifts it. */
  readonly expiresAt: string | null;
}

export interface BanControl {
  list(): Promise<readonly ControlledBan[]>;
  /** Returns the ban, and how many connected clients were ended for it. */
  add(
    ban: {
      readonly kind: BanKindName;
      readonly pattern: string;
      readonly reason: string;
      readonly durationMs: number | null;
      readonly kick: boolean;
    },
    origin: 'cli' | 'api',
  ): Promise<{ readonly ban: ControlledBan; readonly kicked: number }>;
  /** False: there is none. */
  remove(kind: BanKindName, pattern: string): Promise<boolean>;
}

export interface ReloadRequest {
  /** Also what looks like a mistake: a file that lost most of what was in it. */
  readonly force: boolean;
  /** Only says what would happen. */
  readonly dryRun: boolean;
}

export interface ReloadReport {
  /** What is different, a line each. */
  readonly changes: readonly string[];
  /** Clients that are, or would be, ended. */
  readonly ended: number;
  /** Subscriptions that get, or would get, nothing any more. */
  readonly muted: number;
  /** Parts of the configuration that count only after a restart. */
  readonly afterRestart: readonly string[];
  /** Empty: it was done. Else nothing was changed, and this is why. */
  readonly problems: readonly string[];
}

export interface AclQuestion {
  /** null = anonymous */
  readonly username: string | null;
  readonly clientId: string;
  readonly groups: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  readonly action: 'publish' | 'subscribe' | 'receive';
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export interface AclAnswer {
  readonly isAllowed: boolean;
  readonly source: string;
  readonly rule: string | null;
  readonly file: string | null;
  readonly line: number | null;
  readonly reason: string;
}

export interface ServerControl {
  readonly drops: DropControl;
  /** null: they are switched off. */
  readonly metrics: MetricsControl | null;
  readonly log: LogControl;
  readonly management: ManagementControl;
  /** null: this server has no users in its store. */
  readonly users: UserControl | null;
  readonly bans: BanControl;
  readonly health: HealthControl;
  readonly events: EventControl;
  readonly tokens: TokenControl;
  readonly logins: LoginControl;
  reload(request: ReloadRequest): Promise<ReloadReport>;
  explain(question: AclQuestion): Promise<AclAnswer>;
  readonly explanations: ExplainControl;
  readonly traces: TraceControl;
}
