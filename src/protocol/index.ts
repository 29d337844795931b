// The public subpath `iothub/protocol`: MQTT packets to bytes and back, without a server.

export { type DecodeLimits, NO_LIMITS, type Role } from './decode-limits.ts';
export { Decoder, type DecoderOptions, decodePacket } from './decoder.ts';
export { encodePacket } from './encoder.ts';
export { checkTopicName, matchesFilter, type ParsedFilter, parseTopicFilter } from './filter.ts';
export { Framer } from './framer.ts';
export {
  type AckPacket,
  type AuthPacket,
  type ConnackPacket,
  type ConnectPacket,
  type DisconnectPacket,
  type Packet,
  PacketType,
  type PingreqPacket,
  type PingrespPacket,
  type Properties,
  type ProtocolVersion,
  type PublishPacket,
  type QoS,
  type RetainHandling,
  type SubackPacket,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubackPacket,
  type UnsubscribePacket,
  type UserProperty,
  type Will,
} from './packet.ts';
export { type ConnectVersion, connectVersion } from './packets/connect.ts';
export { ProtocolError } from './protocol-error.ts';
export { ReasonCode } from './reason-code.ts';
export {
  isLegalReasonCode,
  isServerDisconnectCode,
  LEGAL_REASON_CODES,
  reasonCodeName,
} from './reason-code-table.ts';
export { ConnectReturnCode, connackReturnCodeV3, subackReturnCodeV3 } from './reason-codes-v3.ts';
export type { TopicLimits } from './topic.ts';
