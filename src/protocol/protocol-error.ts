// The one exception of the protocol layer: the peer broke the specification. Only `protocol/` throws it, only the
// connection catches it and turns it into the CONNACK or DISCONNECT that the peer's version allows.

import type { ReasonCode } from './reason-code.ts';

/** What the peer sent is not MQTT. MQTT 5 §4.13. */
export class ProtocolError extends Error {
  /** What a v5 peer is told; v3 peers are only disconnected. */
  readonly reasonCode: ReasonCode;
  /** The statement or section that was broken, such as `MQTT-3.1.2-3` or `§2.2.2.2`. */
  readonly clause: string;

  constructor(reasonCode: ReasonCode, clause: string, message: string) {
    super(message);
    this.name = 'ProtocolError';
    this.reasonCode = reasonCode;
    this.clause = clause;
  }
}
