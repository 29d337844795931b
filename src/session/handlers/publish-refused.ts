// A PUBLISH that is not taken: its client is told, as far as its version of the protocol has words for it, and nobody gets it.
// MQTT 5 §4.13.1

import { DropReason } from '../../core/drop.ts';
import type { Message } from '../../protocol/message.ts';
import { PacketType, type QoS } from '../../protocol/packet.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import { reasonCodeName } from '../../protocol/reason-code-table.ts';
import type { Connection } from '../connection.ts';
import { byServer } from '../departure.ts';
import type { Session } from '../session.ts';

/** A v3 client that cannot be told that the store, or an authorizer, fails is closed after this long: it will try again. */
const FAILING_CLOSE_MS = 5_000;

/** Why a message was lost that was refused with a reason code; all others are an authorizer's. */
const DROP_REASONS: Readonly<Record<number, DropReason>> = {
  [ReasonCode.PayloadFormatInvalid]: DropReason.Limit,
  [ReasonCode.QuotaExceeded]: DropReason.Quota,
};

/**
 * It may not: v5 is told; v3 gets its acknowledgement, or is closed where that is wished, and the message is dropped.
 * [3.1.1 MQTT-3.3.5-2]
 */
export function refuse(
  connection: Connection,
  session: Session,
  message: Message,
  packetId: number,
  reasonCode: ReasonCode,
): ReasonCode {
  const { access, denials, drops, tracing } = connection.context;
  const { qos, retain, topic } = message;
  if (tracing.trace !== null) tracing.trace.published(message, packetId, reasonCode);
  const reason = DROP_REASONS[reasonCode] ?? DropReason.NotAuthorized;
  drops.drop(reason, session.clientId, topic.name);
  if (reason === DropReason.NotAuthorized) {
    denials.denied(session.client, { action: 'publish', topic: topic.name, qos, retain });
  }
  if (
    qos > 0 &&
    connection.version !== 5 &&
    reasonCode === ReasonCode.ImplementationSpecificError
  ) {
    // Nobody said that it may not; acknowledged it would be lost, so its publisher keeps it, and comes back with it.
    const why = 'nobody could say whether a message was allowed';
    connection.closeLater(FAILING_CLOSE_MS, byServer(why, reasonCode));
    return ReasonCode.Success;
  }
  const isHarmless = qos === 0 && reason === DropReason.Quota; // nobody waits to hear of it
  if (connection.version !== 5 && access.rules.deniedV3 === 'disconnect' && !isHarmless) {
    const why = `a message was refused: ${reasonCodeName(reasonCode)}`;
    connection.close(byServer(why, reasonCode));
    return ReasonCode.Success;
  }
  acknowledgeRefused(connection, session, message.qos, packetId, reasonCode);
  return ReasonCode.Success;
}

function acknowledgeRefused(
  connection: Connection,
  session: Session,
  qos: QoS,
  packetId: number,
  reasonCode: ReasonCode,
): void {
  if (qos === 0) return;
  if (qos === 1) {
    connection.writer.sendAck(PacketType.Puback, packetId, reasonCode, 0, false);
    return;
  }
  if (connection.version !== 5) {
    // The handshake must run to its end for a client that cannot be told.
    session.addInboundPacketId(packetId);
    connection.writer.unacknowledged++;
  }
  connection.writer.sendAck(PacketType.Pubrec, packetId, reasonCode, 0, false);
}

/** The store fails: refused before anybody gets it. v3 has no word for that and is closed after a while. */
export function refuseForStore(
  connection: Connection,
  message: Message,
  packetId: number,
): ReasonCode {
  const { drops, tracing } = connection.context;
  if (tracing.trace !== null) {
    tracing.trace.published(message, packetId, ReasonCode.QuotaExceeded);
  }
  drops.drop(DropReason.StoreFailing, connection.client?.clientId ?? null, message.topic.name);
  if (message.qos === 0) return ReasonCode.Success;
  if (connection.version !== 5) {
    const ending = byServer('the store cannot be written', ReasonCode.QuotaExceeded);
    connection.closeLater(FAILING_CLOSE_MS, ending);
    return ReasonCode.Success;
  }
  const type = message.qos === 1 ? PacketType.Puback : PacketType.Pubrec;
  connection.writer.sendAck(type, packetId, ReasonCode.QuotaExceeded, 0, false);
  return ReasonCode.Success;
}
