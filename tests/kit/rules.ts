// Access control for tests, in a line or two: who is who by name and password, and what may be done by a list that a test can
// change at any time.

import type { Authenticator, Authorizer, Client, Decision } from '../../src/auth/auth.ts';
import { UNDECIDED } from '../../src/auth/auth.ts';
import { matchesFilter } from '../../src/protocol/filter.ts';
import { ReasonCode } from '../../src/protocol/reason-code.ts';

/** Lets in who says a name as user name, as that user, without a password; who says none is anonymous. */
export const byName: Authenticator = {
  authenticate: ({ username }): Decision => ({ reasonCode: ReasonCode.Success, username }),
};

/** Publishing is allowed everywhere, receiving below these filters, subscribing everywhere. */
export class ReceiveOnly implements Authorizer {
  filters: readonly string[];
  /** How often it was asked about a delivery. */
  asked = 0;

  constructor(...filters: string[]) {
    this.filters = filters;
  }

  authorizePublish() {
    return ReasonCode.Success;
  }

  authorizeSubscribe() {
    return ReasonCode.Success;
  }

  authorizeReceive(_client: Client, topicName: string) {
    this.asked++;
    return this.filters.some((filter) => matchesFilter(topicName, filter))
      ? ReasonCode.Success
      : UNDECIDED;
  }
}

/** CONNECT of v5 with a user name, keep alive 0. */
export function connectAs(
  username: string,
  clientId: string,
  clean = true,
  properties = '',
): string {
  const length = properties.replaceAll(/\s/g, '').length / 2;
  const remaining = 10 + 1 + length + 2 + clientId.length + 2 + username.length;
  return `10 ${hexByte(remaining)} 0004 'MQTT' 05 ${hexByte(0x80 | (clean ? 2 : 0))} 0000 ${hexByte(length)} ${properties}
    ${hex16(clientId.length)} '${clientId}' ${hex16(username.length)} '${username}'`;
}

/** The same for v3.1.1. */
export function connectAsV3(username: string, clientId: string, clean = true): string {
  const remaining = 10 + 2 + clientId.length + 2 + username.length;
  return `10 ${hexByte(remaining)} 0004 'MQTT' 04 ${hexByte(0x80 | (clean ? 2 : 0))} 0000
    ${hex16(clientId.length)} '${clientId}' ${hex16(username.length)} '${username}'`;
}

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

function hex16(value: number): string {
  return value.toString(16).padStart(4, '0');
}
