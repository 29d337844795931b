// Lost messages, for whoever asks why something did not arrive: how many for each reason, what that means, and the latest.

/** Lost messages of one reason since the server started. */
export interface DropTotal {
  readonly reason: string;
  readonly count: number;
  /** Whose client id such a loss is told with: who sent the message, or who would have got it. */
  readonly concerns: 'publisher' | 'subscriber';
  /** What the reason means, a sentence. */
  readonly meaning: string;
  /** What can be done about it, a sentence. */
  readonly advice: string;
}

export interface DropTotals {
  readonly total: number;
  /** Every reason there is, also those that lost nothing. */
  readonly reasons: readonly DropTotal[];
  /** How many of the latest losses of each reason can be looked up; 0: none, the ledger is off. */
  readonly ledgerMax: number;
}

/** Who decided that a message may not pass. */
export interface ShownDropRule {
  readonly by: string | null;
  readonly rule: string | null;
  /** `<file>:<line>` */
  readonly at: string | null;
  readonly why: string | null;
}

/** Messages of one client, topic and reason that were lost one after the other. */
export interface ShownDrop {
  /** Higher is later. */
  readonly id: string;
  readonly reason: string;
  /** Who would have got them, or who sent them when nobody would have. */
  readonly clientId: string | null;
  /** Who sent them, if that is known. */
  readonly publisher: string | null;
  /** Cut when it is long, as the client ids are. */
  readonly topic: string;
  readonly count: number;
  /** ISO 8601 */
  readonly firstAt: string;
  readonly lastAt: string;
  /** Messages in the queue at the last of them; null: it is about no queue. */
  readonly queuedMessages: number | null;
  /** Bytes that waited for the client's socket then; null: it is not about that. */
  readonly outputBytes: number | null;
  /** null: no rule decided, or nobody has said which. */
  readonly rule: ShownDropRule | null;
}

/** null: any. */
export interface DropQuestion {
  readonly reason: string | null;
  /** Who sent it, or who would have got it. */
  readonly clientId: string | null;
  readonly topicFilter: string | null;
  /** Milliseconds since 1970: what was lost later. */
  readonly sinceMs: number | null;
  readonly limit: number;
  /** The `next` of the page before. */
  readonly after: string | null;
}

export interface DropPage {
  /** The latest first. */
  readonly items: readonly ShownDrop[];
  /** null: there are no more. */
  readonly next: string | null;
}

/** What cannot be done rejects with ControlError. */
export interface DropControl {
  totals(): Promise<DropTotals>;
  list(question: DropQuestion): Promise<DropPage>;
}
