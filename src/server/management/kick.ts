// Ends a client's connection, and its session if that is wanted. A will is published as the specification has it: after its
// delay, or at once when the session ends. MQTT 5 §3.1.2.5, §3.1.3.2.2.

import { ReasonCode } from '../../protocol/reason-code.ts';
import { isServerDisconnectCode } from '../../protocol/reason-code-table.ts';
import type { Context } from '../../session/context.ts';
import type { KickOutcome, KickRequest } from '../contract/management.ts';
import { ControlError } from '../contract.ts';
import type { Registry } from '../registry.ts';
import { needStore, whenDurable } from './durable.ts';
import { sessionOf } from './names.ts';
import { wellFormed } from './payload.ts';

export async function kick(
  context: Context,
  registry: Registry,
  clientId: string,
  request: KickRequest,
): Promise<KickOutcome> {
  const { endSession = false, reasonString = null, serverReference = null } = request;
  wellFormed(reasonString ?? '', 'reason', true);
  wellFormed(serverReference ?? '', 'server reference', true);
  const reasonCode = checkedCode(request.reasonCode, serverReference);
  const session = sessionOf(registry, clientId);
  const { connection } = session;
  const wasConnected = connection !== null;
  if (!wasConnected && !endSession) {
    const name = JSON.stringify(clientId);
    throw new ControlError('unknown', `the client ${name} is not connected; its session is there`);
  }
  if (endSession) needStore(context);
  const { inflightCount, queuedMessages } = session.outbound;
  connection?.disconnect(reasonCode, reasonString ?? undefined, serverReference ?? undefined);
  if (endSession) session.end(); // also of one that ended with its connection
  const sessionEnded = session.hasEnded;
  if (sessionEnded) await whenDurable(context.commits);
  const messages = sessionEnded ? inflightCount + queuedMessages : 0;
  return { clientId, wasConnected, sessionEnded, messages };
}

/** Throws ControlError for what a server's DISCONNECT may not say. [MQTT-3.14.2-1] */
function checkedCode(said: number | undefined, serverReference: string | null): ReasonCode {
  const reasonCode = said ?? ReasonCode.AdministrativeAction;
  if (!isServerDisconnectCode(reasonCode)) {
    const message = `a server's DISCONNECT has no reason code ${reasonCode}; 152 (0x98) is Administrative action`;
    throw new ControlError('invalid', message);
  }
  const sendsElsewhere =
    reasonCode === ReasonCode.UseAnotherServer || reasonCode === ReasonCode.ServerMoved;
  if (serverReference === null || sendsElsewhere) return reasonCode;
  const message = 'a server reference goes with the reason codes 156 (0x9C) and 157 (0x9D) only';
  throw new ControlError('invalid', message);
}
