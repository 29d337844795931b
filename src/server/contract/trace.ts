// What a trace is asked for and what it says: what happens, while somebody looks. A line of JSON for each event.

export interface TraceRequest {
  /** Client id, `*` for any characters; null: all. */
  readonly clientId: string | null;
  /** Topic filter; null: all. */
  readonly topic: string | null;
  /** Milliseconds after which it ends. */
  readonly forMs: number;
  /** Events after which it ends. */
  readonly max: number;
  /** With payloads, clipped. */
  readonly payload: boolean;
}

export const TRACE_FOR_MS_MAX = 86_400_000;
export const TRACE_EVENTS_MAX = 1_000_000;

/** A line of a trace: `begin` is the first one, `end` the last, `lost` says how many are missing at its place. */
export interface TraceEvent {
  /** ISO 8601 */
  readonly at: string;
  readonly event:
    | 'begin'
    | 'end'
    | 'lost'
    | 'connect'
    | 'refused'
    | 'disconnect'
    | 'subscribe'
    | 'unsubscribe'
    | 'publish'
    | 'will'
    | 'queued'
    | 'delivered'
    | 'acknowledged'
    | 'dropped';
  readonly [field: string]: unknown;
}

/** One that runs. */
export interface OpenTrace {
  /** The lines since the last call, each with its newline; waits for one. null: it has ended. */
  next(): Promise<string | null>;
  /** Nobody reads it any more. */
  close(): void;
}

export interface TraceControl {
  /** Throws ControlError. */
  open(request: TraceRequest): OpenTrace;
}
