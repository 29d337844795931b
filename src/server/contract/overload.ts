// What health, metrics and the API may see of the server's load: plain values.

export interface OverloadState {
  /** 0 = nothing is shed; docs/overload.md says what each level does without. */
  readonly level: 0 | 1 | 2 | 3;
  /** What is highest against its bound; null while nothing is shed. */
  readonly cause: 'memory' | 'heap' | 'loop_lag' | null;
  /** ISO 8601, of this level; null while nothing is shed. */
  readonly since: string | null;
  /** Resident, without pages of files; bytes; 0 where nobody looks. */
  readonly residentBytes: number;
  /** What of it is used, and not only kept by the allocator: this is compared. */
  readonly memoryBytes: number;
  /** `memory_max`; 0: nobody looks. */
  readonly memoryMaxBytes: number;
  readonly heapBytes: number;
  /** What V8 may take; 0: nobody looks. */
  readonly heapMaxBytes: number;
  readonly loopLagMs: number;
  /** 0 = no limit */
  readonly loopLagMaxMs: number;
  /** Publishers that are not read. */
  readonly pausedPublishers: number;
}
