// Whether the server is fit to be sent clients, as the admin API and `iothub healthcheck` tell it.

/** Why it is not: it is not there yet, not any more, or not as it should be. */
export interface ReadinessProblem {
  /** `restoring`, `stopping`, `store_failing`, or what another part calls itself. */
  readonly name: string;
  readonly message: string;
}

export interface HealthControl {
  /** Empty: it is ready. */
  problems(): readonly ReadinessProblem[];
}
