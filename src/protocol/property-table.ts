// The properties of MQTT 5 as one table (§2.2.2.2): a row says how a property is called, what it holds, in which packets it
// may stand and which section rules it. Reading and writing obey the same rows, so what one refuses the other never
// produces.

import { PacketType, type Properties } from './packet.ts';

/** Where a property section stands: in a packet of this type or, 0, in CONNECT's payload for the will. */
export type PropertyOwner = PacketType | typeof WILL;
export const WILL = 0;

export type PropertyKind =
  | 'bit' // 0 or 1, kept as a number
  | 'boolean' // 0 or 1
  | 'uint16'
  | 'uint32'
  | 'identifiers' // variable byte integers, each a property of its own
  | 'string'
  | 'topic' // a string that must be a topic name
  | 'binary'
  | 'pairs'; // two strings, each pair a property of its own

/** One property of MQTT 5 Table 2-4. */
export interface PropertyRow {
  readonly identifier: number;
  readonly name: keyof Properties;
  /** Its name in the specification. */
  readonly label: string;
  readonly kind: PropertyKind;
  /** The section that a wrong value or a second one breaks. */
  readonly clause: string;
  /** The statement that a badly encoded string breaks. */
  readonly textClause: string;
  readonly owners: readonly PropertyOwner[];
  /** The least value of a number. */
  readonly minimum: 0 | 1;
}

const P = PacketType;
const WITH_REASON: readonly PropertyOwner[] = [
  P.Connack,
  P.Puback,
  P.Pubrec,
  P.Pubrel,
  P.Pubcomp,
  P.Suback,
  P.Unsuback,
  P.Disconnect,
  P.Auth,
];
const MESSAGE: readonly PropertyOwner[] = [P.Publish, WILL];
const CONNECTING: readonly PropertyOwner[] = [P.Connect, P.Connack];
const AUTHENTICATING: readonly PropertyOwner[] = [P.Connect, P.Connack, P.Auth];
const NEVER_ZERO: ReadonlySet<keyof Properties> = new Set<keyof Properties>([
  'receiveMaximum',
  'maximumPacketSize',
  'topicAlias',
  'subscriptionIdentifiers',
]);
const EVERYWHERE: readonly PropertyOwner[] = [
  ...WITH_REASON,
  ...MESSAGE,
  P.Connect,
  P.Subscribe,
  P.Unsubscribe,
];

/** Every property, MQTT 5 Table 2-4. */
export const PROPERTY_ROWS: readonly PropertyRow[] = [
  row(0x01, 'payloadFormatIndicator', 'Payload Format Indicator', 'bit', '§3.3.2.3.2', MESSAGE),
  row(0x02, 'messageExpiryInterval', 'Message Expiry Interval', 'uint32', '§3.3.2.3.3', MESSAGE),
  row(0x03, 'contentType', 'Content Type', 'string', '§3.3.2.3.9', MESSAGE, 'MQTT-3.3.2-19'),
  row(0x08, 'responseTopic', 'Response Topic', 'topic', '§3.3.2.3.5', MESSAGE, 'MQTT-3.3.2-13'),
  row(0x09, 'correlationData', 'Correlation Data', 'binary', '§3.3.2.3.6', MESSAGE),
  row(0x0b, 'subscriptionIdentifiers', 'Subscription Identifier', 'identifiers', '§3.8.2.1.2', [
    P.Publish,
    P.Subscribe,
  ]),
  row(0x11, 'sessionExpiryInterval', 'Session Expiry Interval', 'uint32', '§3.1.2.11.2', [
    ...CONNECTING,
    P.Disconnect,
  ]),
  row(0x12, 'assignedClientIdentifier', 'Assigned Client Identifier', 'string', '§3.2.2.3.7', [
    P.Connack,
  ]),
  row(0x13, 'serverKeepAlive', 'Server Keep Alive', 'uint16', '§3.2.2.3.14', [P.Connack]),
  row(
    0x15,
    'authenticationMethod',
    'Authentication Method',
    'string',
    '§3.1.2.11.9',
    AUTHENTICATING,
  ),
  row(0x16, 'authenticationData', 'Authentication Data', 'binary', '§3.1.2.11.10', AUTHENTICATING),
  row(0x17, 'requestProblemInformation', 'Request Problem Information', 'boolean', '§3.1.2.11.7', [
    P.Connect,
  ]),
  row(0x18, 'willDelayInterval', 'Will Delay Interval', 'uint32', '§3.1.3.2.2', [WILL]),
  row(
    0x19,
    'requestResponseInformation',
    'Request Response Information',
    'boolean',
    '§3.1.2.11.6',
    [P.Connect],
  ),
  row(0x1a, 'responseInformation', 'Response Information', 'string', '§3.2.2.3.15', [P.Connack]),
  row(0x1c, 'serverReference', 'Server Reference', 'string', '§3.2.2.3.16', [
    P.Connack,
    P.Disconnect,
  ]),
  row(0x1f, 'reasonString', 'Reason String', 'string', '§3.2.2.3.9', WITH_REASON),
  row(0x21, 'receiveMaximum', 'Receive Maximum', 'uint16', '§3.1.2.11.3', CONNECTING),
  row(0x22, 'topicAliasMaximum', 'Topic Alias Maximum', 'uint16', '§3.1.2.11.5', CONNECTING),
  row(0x23, 'topicAlias', 'Topic Alias', 'uint16', 'MQTT-3.3.2-8', [P.Publish]),
  row(0x24, 'maximumQoS', 'Maximum QoS', 'bit', '§3.2.2.3.4', [P.Connack]),
  row(0x25, 'retainAvailable', 'Retain Available', 'boolean', '§3.2.2.3.5', [P.Connack]),
  row(0x26, 'userProperties', 'User Property', 'pairs', '§3.1.2.11.8', EVERYWHERE, 'MQTT-1.5.7-1'),
  row(0x27, 'maximumPacketSize', 'Maximum Packet Size', 'uint32', '§3.1.2.11.4', CONNECTING),
  row(
    0x28,
    'wildcardSubscriptionAvailable',
    'Wildcard Subscription Available',
    'boolean',
    '§3.2.2.3.11',
    [P.Connack],
  ),
  row(
    0x29,
    'subscriptionIdentifiersAvailable',
    'Subscription Identifier Available',
    'boolean',
    '§3.2.2.3.12',
    [P.Connack],
  ),
  row(
    0x2a,
    'sharedSubscriptionAvailable',
    'Shared Subscription Available',
    'boolean',
    '§3.2.2.3.13',
    [P.Connack],
  ),
];

function row(
  identifier: number,
  name: keyof Properties,
  label: string,
  kind: PropertyKind,
  clause: string,
  owners: readonly PropertyOwner[],
  textClause = 'MQTT-1.5.4-1',
): PropertyRow {
  const minimum = NEVER_ZERO.has(name) ? 1 : 0;
  return { identifier, name, label, kind, clause, textClause, owners, minimum };
}
