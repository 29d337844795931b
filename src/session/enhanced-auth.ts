// One run of an enhanced authentication, at CONNECT or later (re-authentication). MQTT 5 §4.12.

import type { AuthExchange, AuthStep, Challenge, Proven, Refused } from '../auth/auth.ts';
import { PacketType } from '../protocol/packet.ts';
import { ReasonCode } from '../protocol/reason-code.ts';
import type { Connection } from './connection.ts';
import { tellFault } from './faults.ts';
import { isPending, park } from './parking.ts';

export interface Ends {
  readonly onProven: (step: Proven) => ReasonCode;
  readonly onRefused: (step: Refused) => ReasonCode;
}

export class EnhancedAuthentication {
  readonly method: string;
  #exchange: AuthExchange | null;
  readonly #connection: Connection;
  /** What becomes of it. Forgotten at its end: CONNECT, with a password maybe, is in there, and this lives on for its method. */
  #ends: Ends | null;

  constructor(connection: Connection, method: string, exchange: AuthExchange, ends: Ends) {
    this.#connection = connection;
    this.method = method;
    this.#exchange = exchange;
    this.#ends = ends;
  }

  get isRunning(): boolean {
    return this.#exchange !== null;
  }

  /** Hands the client's data over; a step that must think parks the connection. */
  step(data: Uint8Array | null): ReasonCode {
    const exchange = this.#exchange;
    if (exchange === null) return ReasonCode.ProtocolError;
    const step = exchange.step(data);
    if (!isPending(step)) return this.#take(step);
    park(this.#connection, step, (result) => this.#take(result));
    return ReasonCode.Success;
  }

  /** The connection ends before the exchange does. */
  abort(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    this.#ends = null;
    try {
      exchange?.abort?.();
    } catch (error) {
      const { context, request, stream } = this.#connection;
      const who = { clientId: request?.clientId ?? '', remoteAddress: stream.remoteAddress };
      const fields = { method: this.method, error: String(error) };
      tellFault(context, who, fields, 'the authenticator failed to abort');
    }
  }

  #take(step: AuthStep): ReasonCode {
    if (isChallenge(step)) return this.#challenge(step.data);
    const ends = this.#ends;
    this.#exchange = null;
    this.#ends = null;
    if (ends === null) return ReasonCode.ProtocolError;
    return isProven(step) ? ends.onProven(step) : ends.onRefused(step);
  }

  #challenge(data: Uint8Array | null): ReasonCode {
    const isSent = this.#connection.writer.send({
      type: PacketType.Auth,
      reasonCode: ReasonCode.ContinueAuthentication, // [MQTT-4.12.0-2]
      properties: {
        authenticationMethod: this.method, // [MQTT-4.12.0-5]
        authenticationData: data ?? undefined,
      },
    });
    if (!isSent) {
      this.#connection.fail(ReasonCode.PacketTooLarge, 'AUTH is larger than the client allows');
    }
    return ReasonCode.Success;
  }
}

// The reason code decides, whatever else is said.

function isChallenge(step: AuthStep): step is Challenge {
  return step.reasonCode === ReasonCode.ContinueAuthentication;
}

function isProven(step: Proven | Refused): step is Proven {
  return step.reasonCode === ReasonCode.Success;
}
