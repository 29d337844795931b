// UNSUBSCRIBE. Only filters that are spelt alike go; what is in flight runs to its end. MQTT 5 §3.10.

import type { Framer } from '../../protocol/framer.ts';
import { PacketType } from '../../protocol/packet.ts';
import { decodeUnsubscribe } from '../../protocol/packets/unsubscribe.ts';
import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Connection } from '../connection.ts';
import type { Session } from '../session.ts';
import { checkNotEmpty } from './subscribe.ts';

export function onUnsubscribe(
  connection: Connection,
  session: Session,
  framer: Framer,
): ReasonCode {
  const { limits, tracing } = connection.context;
  const { header, bytes, start, end } = framer;
  const packet = decodeUnsubscribe(header, bytes, start, end, connection.version, limits);
  const reasonCodes: ReasonCode[] = [];
  packet.topicFilters.forEach(checkNotEmpty); // before any takes effect
  for (const topicFilter of packet.topicFilters) {
    const existed = session.subscriptions.delete(topicFilter); // [MQTT-3.10.4-1]
    if (existed) session.stopRetained(topicFilter);
    const reasonCode = existed ? ReasonCode.Success : ReasonCode.NoSubscriptionExisted;
    reasonCodes.push(reasonCode);
    tracing.trace?.unsubscribed(session, topicFilter, reasonCode);
  }
  const fits = connection.writer.sendWhenDurable(
    {
      type: PacketType.Unsuback,
      packetId: packet.packetId, // [MQTT-3.10.4-5]
      reasonCodes: connection.version === 5 ? reasonCodes : [],
      properties: {},
    },
    session.record.commit,
  );
  return fits ? ReasonCode.Success : ReasonCode.PacketTooLarge; // [MQTT-3.10.4-4]
}
