// Which reason codes may stand in which packet (the tables of MQTT 5 §3), and what they are called (§2.4). The decoder refuses
// what is not listed, the encoder refuses to write it.

import { PacketType } from './packet.ts';
import { ReasonCode } from './reason-code.ts';

const R = ReasonCode;

const PUBLISH_RECEIVED: readonly ReasonCode[] = [
  R.Success,
  R.NoMatchingSubscribers,
  R.UnspecifiedError,
  R.ImplementationSpecificError,
  R.NotAuthorized,
  R.TopicNameInvalid,
  R.PacketIdentifierInUse,
  R.QuotaExceeded,
  R.PayloadFormatInvalid,
];

/** What a server may say in DISCONNECT. MQTT 5 §3.14.2.1 */
const DISCONNECT_BY_SERVER: readonly ReasonCode[] = [
  R.NormalDisconnection,
  R.UnspecifiedError,
  R.MalformedPacket,
  R.ProtocolError,
  R.ImplementationSpecificError,
  R.NotAuthorized,
  R.ServerBusy,
  R.ServerShuttingDown,
  R.KeepAliveTimeout,
  R.SessionTakenOver,
  R.TopicFilterInvalid,
  R.TopicNameInvalid,
  R.ReceiveMaximumExceeded,
  R.TopicAliasInvalid,
  R.PacketTooLarge,
  R.MessageRateTooHigh,
  R.QuotaExceeded,
  R.AdministrativeAction,
  R.PayloadFormatInvalid,
  R.RetainNotSupported,
  R.QoSNotSupported,
  R.UseAnotherServer,
  R.ServerMoved,
  R.SharedSubscriptionsNotSupported,
  R.ConnectionRateExceeded,
  R.MaximumConnectTime,
  R.SubscriptionIdentifiersNotSupported,
  R.WildcardSubscriptionsNotSupported,
];

type CodedPacketType =
  | typeof PacketType.Connack
  | typeof PacketType.Puback
  | typeof PacketType.Pubrec
  | typeof PacketType.Pubrel
  | typeof PacketType.Pubcomp
  | typeof PacketType.Suback
  | typeof PacketType.Unsuback
  | typeof PacketType.Disconnect
  | typeof PacketType.Auth;

/** The reason codes of each packet that has any, whoever sends it. */
export const LEGAL_REASON_CODES: Readonly<Record<CodedPacketType, readonly ReasonCode[]>> = {
  // [MQTT-3.2.2-8]
  [PacketType.Connack]: [
    R.Success,
    R.UnspecifiedError,
    R.MalformedPacket,
    R.ProtocolError,
    R.ImplementationSpecificError,
    R.UnsupportedProtocolVersion,
    R.ClientIdentifierNotValid,
    R.BadUserNameOrPassword,
    R.NotAuthorized,
    R.ServerUnavailable,
    R.ServerBusy,
    R.Banned,
    R.BadAuthenticationMethod,
    R.TopicNameInvalid,
    R.PacketTooLarge,
    R.QuotaExceeded,
    R.PayloadFormatInvalid,
    R.RetainNotSupported,
    R.QoSNotSupported,
    R.UseAnotherServer,
    R.ServerMoved,
    R.ConnectionRateExceeded,
  ],
  [PacketType.Puback]: PUBLISH_RECEIVED, // [MQTT-3.4.2-1]
  [PacketType.Pubrec]: PUBLISH_RECEIVED, // [MQTT-3.5.2-1]
  [PacketType.Pubrel]: [R.Success, R.PacketIdentifierNotFound], // [MQTT-3.6.2-1]
  [PacketType.Pubcomp]: [R.Success, R.PacketIdentifierNotFound], // [MQTT-3.7.2-1]
  // [MQTT-3.9.3-2]
  [PacketType.Suback]: [
    R.GrantedQoS0,
    R.GrantedQoS1,
    R.GrantedQoS2,
    R.UnspecifiedError,
    R.ImplementationSpecificError,
    R.NotAuthorized,
    R.TopicFilterInvalid,
    R.PacketIdentifierInUse,
    R.QuotaExceeded,
    R.SharedSubscriptionsNotSupported,
    R.SubscriptionIdentifiersNotSupported,
    R.WildcardSubscriptionsNotSupported,
  ],
  // [MQTT-3.11.3-2]
  [PacketType.Unsuback]: [
    R.Success,
    R.NoSubscriptionExisted,
    R.UnspecifiedError,
    R.ImplementationSpecificError,
    R.NotAuthorized,
    R.TopicFilterInvalid,
    R.PacketIdentifierInUse,
  ],
  // [MQTT-3.14.2-1]; §2.4 allows 0x8C where the table of §3.14.2.1 has forgotten it
  [PacketType.Disconnect]: [
    ...DISCONNECT_BY_SERVER,
    R.DisconnectWithWill,
    R.BadAuthenticationMethod,
  ],
  // [MQTT-3.15.2-1]
  [PacketType.Auth]: [R.Success, R.ContinueAuthentication, R.ReAuthenticate],
};

const legal = new Map<number, ReadonlySet<number>>(
  Object.entries(LEGAL_REASON_CODES).map(([type, codes]) => [Number(type), new Set(codes)]),
);
const disconnectByServer: ReadonlySet<number> = new Set(DISCONNECT_BY_SERVER);

/** Whether the tables of MQTT 5 §3 let a packet of this type carry `code`. */
export function isLegalReasonCode(type: PacketType, code: number): code is ReasonCode {
  return legal.get(type)?.has(code) === true;
}

/** Whether a server may send DISCONNECT with `code`. [MQTT-3.14.2-1] */
export function isServerDisconnectCode(code: number): code is ReasonCode {
  return disconnectByServer.has(code);
}

const NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  [R.Success, 'Success'],
  [R.GrantedQoS1, 'Granted QoS 1'],
  [R.GrantedQoS2, 'Granted QoS 2'],
  [R.DisconnectWithWill, 'Disconnect with Will Message'],
  [R.NoMatchingSubscribers, 'No matching subscribers'],
  [R.NoSubscriptionExisted, 'No subscription existed'],
  [R.ContinueAuthentication, 'Continue authentication'],
  [R.ReAuthenticate, 'Re-authenticate'],
  [R.UnspecifiedError, 'Unspecified error'],
  [R.MalformedPacket, 'Malformed Packet'],
  [R.ProtocolError, 'Protocol Error'],
  [R.ImplementationSpecificError, 'Implementation specific error'],
  [R.UnsupportedProtocolVersion, 'Unsupported Protocol Version'],
  [R.ClientIdentifierNotValid, 'Client Identifier not valid'],
  [R.BadUserNameOrPassword, 'Bad User Name or Password'],
  [R.NotAuthorized, 'Not authorized'],
  [R.ServerUnavailable, 'Server unavailable'],
  [R.ServerBusy, 'Server busy'],
  [R.Banned, 'Banned'],
  [R.ServerShuttingDown, 'Server shutting down'],
  [R.BadAuthenticationMethod, 'Bad authentication method'],
  [R.KeepAliveTimeout, 'Keep Alive timeout'],
  [R.SessionTakenOver, 'Session taken over'],
  [R.TopicFilterInvalid, 'Topic Filter invalid'],
  [R.TopicNameInvalid, 'Topic Name invalid'],
  [R.PacketIdentifierInUse, 'Packet Identifier in use'],
  [R.PacketIdentifierNotFound, 'Packet Identifier not found'],
  [R.ReceiveMaximumExceeded, 'Receive Maximum exceeded'],
  [R.TopicAliasInvalid, 'Topic Alias invalid'],
  [R.PacketTooLarge, 'Packet too large'],
  [R.MessageRateTooHigh, 'Message rate too high'],
  [R.QuotaExceeded, 'Quota exceeded'],
  [R.AdministrativeAction, 'Administrative action'],
  [R.PayloadFormatInvalid, 'Payload format invalid'],
  [R.RetainNotSupported, 'Retain not supported'],
  [R.QoSNotSupported, 'QoS not supported'],
  [R.UseAnotherServer, 'Use another server'],
  [R.ServerMoved, 'Server moved'],
  [R.SharedSubscriptionsNotSupported, 'Shared Subscriptions not supported'],
  [R.ConnectionRateExceeded, 'Connection rate exceeded'],
  [R.MaximumConnectTime, 'Maximum connect time'],
  [R.SubscriptionIdentifiersNotSupported, 'Subscription Identifiers not supported'],
  [R.WildcardSubscriptionsNotSupported, 'Wildcard Subscriptions not supported'],
]);

/** The name that the specification gives `code`, for people; 0x00 is `Success` in every packet. MQTT 5 §2.4. */
export function reasonCodeName(code: number): string {
  return NAMES.get(code) ?? `unknown (0x${code.toString(16).padStart(2, '0')})`;
}
