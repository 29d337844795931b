// Whether clients are let in at all: an operator may drain the server, before a change of the machine for instance. Who comes then is
// not let in, or is told where else to go. MQTT 5 §4.11.

import type { Refused } from '../auth/auth.ts';
import { ReasonCode } from '../protocol/reason-code.ts';

export const DRAINED = 'the server is being drained';

export class Draining {
  /** What a CONNECT is answered; null: it is looked at as ever. */
  refusal: Refused | null = null;

  /** Nobody is to be told anything: connections are not let in. */
  get isClosed(): boolean {
    return this.refusal !== null && this.refusal.serverReference === undefined;
  }

  /** From now on; with a reference clients are sent there, for good if that is said. */
  begin(serverReference: string | null, isPermanent: boolean): void {
    const elsewhere = isPermanent ? ReasonCode.ServerMoved : ReasonCode.UseAnotherServer;
    this.refusal =
      serverReference === null
        ? { reasonCode: ReasonCode.ServerUnavailable, reasonString: DRAINED }
        : { reasonCode: elsewhere, reasonString: DRAINED, serverReference };
  }

  end(): void {
    this.refusal = null;
  }
}
