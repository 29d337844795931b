// The MQTT Control Packets as data: what the decoder returns and the encoder takes, for 3.1, 3.1.1 and 5.0 alike
// (fields that a version lacks are absent or have their neutral value). The server's hot path does not use
// `PublishPacket`: it reads PUBLISH through `PublishView` and writes it from a `Message`.

import type { ReasonCode } from './reason-code.ts';

/** Control packet types, MQTT 5 §2.1.2. */
export const PacketType = {
  Connect: 1,
  Connack: 2,
  Publish: 3,
  Puback: 4,
  Pubrec: 5,
  Pubrel: 6,
  Pubcomp: 7,
  Subscribe: 8,
  Suback: 9,
  Unsubscribe: 10,
  Unsuback: 11,
  Pingreq: 12,
  Pingresp: 13,
  Disconnect: 14,
  Auth: 15,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/** Protocol levels: 3 = MQTT 3.1 (`MQIsdp`), 4 = MQTT 3.1.1, 5 = MQTT 5.0. */
export type ProtocolVersion = 3 | 4 | 5;

export type QoS = 0 | 1 | 2;

export type UserProperty = readonly [name: string, value: string];

/** Properties of every packet but PUBLISH's raw form; which are legal where is checked on both ways. MQTT 5 §2.2.2.2. */
export interface Properties {
  payloadFormatIndicator?: 0 | 1;
  /** seconds */
  messageExpiryInterval?: number;
  contentType?: string;
  responseTopic?: string;
  correlationData?: Uint8Array;
  /** one in SUBSCRIBE; several, in order, in PUBLISH */
  subscriptionIdentifiers?: readonly number[];
  /** seconds; 0xFFFFFFFF = never */
  sessionExpiryInterval?: number;
  assignedClientIdentifier?: string;
  /** seconds */
  serverKeepAlive?: number;
  authenticationMethod?: string;
  authenticationData?: Uint8Array;
  requestProblemInformation?: boolean;
  /** seconds */
  willDelayInterval?: number;
  requestResponseInformation?: boolean;
  responseInformation?: string;
  serverReference?: string;
  reasonString?: string;
  receiveMaximum?: number;
  topicAliasMaximum?: number;
  topicAlias?: number;
  maximumQoS?: 0 | 1;
  retainAvailable?: boolean;
  userProperties?: readonly UserProperty[];
  /** bytes */
  maximumPacketSize?: number;
  wildcardSubscriptionAvailable?: boolean;
  subscriptionIdentifiersAvailable?: boolean;
  sharedSubscriptionAvailable?: boolean;
}

export interface Will {
  readonly topicName: string;
  readonly payload: Uint8Array;
  readonly qos: QoS;
  readonly retain: boolean;
  /** v5 only; empty otherwise */
  readonly properties: Properties;
}

export interface ConnectPacket {
  readonly type: typeof PacketType.Connect;
  readonly protocolVersion: ProtocolVersion;
  /** The bridge bit of levels 0x83 and 0x84: the client is a bridge (no local, retain as published). */
  readonly isBridge: boolean;
  readonly cleanStart: boolean;
  /** seconds; 0 = none */
  readonly keepAlive: number;
  readonly clientId: string;
  readonly will: Will | null;
  readonly username: string | null;
  readonly password: Uint8Array | null;
  readonly properties: Properties;
}

export interface ConnackPacket {
  readonly type: typeof PacketType.Connack;
  readonly sessionPresent: boolean;
  /** v5: a reason code; v3: a return code, 0 to 5 */
  readonly reasonCode: number;
  readonly properties: Properties;
}

export interface PublishPacket {
  readonly type: typeof PacketType.Publish;
  readonly dup: boolean;
  readonly qos: QoS;
  readonly retain: boolean;
  /** empty when a topic alias stands for it */
  readonly topicName: string;
  /** 0 at QoS 0 */
  readonly packetId: number;
  readonly payload: Uint8Array;
  readonly properties: Properties;
}

export interface AckPacket {
  readonly type:
    | typeof PacketType.Puback
    | typeof PacketType.Pubrec
    | typeof PacketType.Pubrel
    | typeof PacketType.Pubcomp;
  readonly packetId: number;
  readonly reasonCode: ReasonCode;
  readonly properties: Properties;
}

export type RetainHandling = 0 | 1 | 2;

export interface SubscriptionRequest {
  readonly topicFilter: string;
  readonly qos: QoS;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: RetainHandling;
}

export interface SubscribePacket {
  readonly type: typeof PacketType.Subscribe;
  readonly packetId: number;
  readonly subscriptions: readonly SubscriptionRequest[];
  readonly properties: Properties;
}

export interface SubackPacket {
  readonly type: typeof PacketType.Suback;
  readonly packetId: number;
  readonly reasonCodes: readonly number[];
  readonly properties: Properties;
}

export interface UnsubscribePacket {
  readonly type: typeof PacketType.Unsubscribe;
  readonly packetId: number;
  readonly topicFilters: readonly string[];
  readonly properties: Properties;
}

export interface UnsubackPacket {
  readonly type: typeof PacketType.Unsuback;
  readonly packetId: number;
  /** v5 only; empty in v3 */
  readonly reasonCodes: readonly number[];
  readonly properties: Properties;
}

export interface PingreqPacket {
  readonly type: typeof PacketType.Pingreq;
}

export interface PingrespPacket {
  readonly type: typeof PacketType.Pingresp;
}

export interface DisconnectPacket {
  readonly type: typeof PacketType.Disconnect;
  readonly reasonCode: ReasonCode;
  readonly properties: Properties;
}

export interface AuthPacket {
  readonly type: typeof PacketType.Auth;
  readonly reasonCode: ReasonCode;
  readonly properties: Properties;
}

export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | AckPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingreqPacket
  | PingrespPacket
  | DisconnectPacket
  | AuthPacket;
