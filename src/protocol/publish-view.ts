// PUBLISH as the server reads it: one object per connection's reader that is filled anew for each packet and points into the
// bytes where they lie. Everything about the packet is checked here but its topic name, which `TopicTable.intern`
// checks once per topic. MQTT 5 §3.3.

import { copyBytes, viewOf } from './bytes.ts';
import { NO_EXPIRY } from './message.ts';
import type { ProtocolVersion, QoS } from './packet.ts';
import { ProtocolError } from './protocol-error.ts';
import { ReasonCode } from './reason-code.ts';
import { checkUtf8 } from './utf8.ts';

const Property = {
  PayloadFormatIndicator: 0x01,
  MessageExpiryInterval: 0x02,
  ContentType: 0x03,
  ResponseTopic: 0x08,
  CorrelationData: 0x09,
  SubscriptionIdentifier: 0x0b,
  TopicAlias: 0x23,
  UserProperty: 0x26,
} as const;

// Bits of the properties that may stand only once
const SEEN_FORMAT = 1;
const SEEN_EXPIRY = 2;
const SEEN_CONTENT_TYPE = 4;
const SEEN_RESPONSE_TOPIC = 8;
const SEEN_CORRELATION = 16;
const SEEN_ALIAS = 32;

const EMPTY = new Uint8Array(0);

export class PublishView {
  bytes: Uint8Array = EMPTY;
  /** Of the same bytes. */
  view: DataView = viewOf(EMPTY);
  isV5 = false;
  /** The bytes were allocated for this packet alone; the caller's to say. */
  isOwn = false;
  dup = false;
  qos: QoS = 0;
  retain = false;
  topicStart = 0;
  topicEnd = 0;
  /** 0 at QoS 0 */
  packetId = 0;
  /** 0 = none */
  topicAlias = 0;
  /** seconds, or NO_EXPIRY */
  messageExpiryInterval: number = NO_EXPIRY;
  /** 1: the payload claims to be UTF-8. MQTT 5 §3.3.2.3.2 */
  payloadFormatIndicator = 0;
  /** The property section without its length. */
  propertiesStart = 0;
  propertiesEnd = 0;
  /** The section holds properties that are not forwarded (alias, expiry). */
  mustStrip = false;
  payloadStart = 0;
  payloadEnd = 0;
  /** Bytes of alias and expiry in the section */
  #stripped = 0;
  /** Properties read so far that may stand only once */
  #seen = 0;

  /**
   * Reads the PUBLISH in `bytes[start..end)` whose first header byte is `header`.
   * Throws ProtocolError: MalformedPacket, ProtocolError, TopicAliasInvalid, TopicNameInvalid (response topic).
   */
  read(
    header: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    version: ProtocolVersion,
    userPropertiesMax: number,
  ): void {
    const qos = (header >> 1) & 3;
    if (qos === 3) throw malformed('MQTT-3.3.1-4', 'PUBLISH has both QoS bits set');
    if (bytes !== this.bytes) {
      this.bytes = bytes;
      this.view = viewOf(bytes);
    }
    this.isV5 = version === 5;
    this.qos = qos as QoS;
    this.dup = (header & 8) !== 0;
    this.retain = (header & 1) !== 0;
    if (qos === 0 && this.dup) {
      throw malformed('MQTT-3.3.1-2', 'PUBLISH has DUP set at QoS 0');
    }
    if (start + 2 > end) throw malformed('MQTT-3.3.2-1', 'PUBLISH ends before its topic name');
    const topicStart = start + 2;
    const topicEnd = topicStart + ((bytes[start] << 8) | bytes[start + 1]);
    if (topicEnd > end) throw malformed('MQTT-3.3.2-1', 'PUBLISH ends within its topic name');
    this.topicStart = topicStart;
    this.topicEnd = topicEnd;
    let position = topicEnd;
    if (qos > 0) {
      if (position + 2 > end) {
        throw malformed('§3.3.2.2', 'PUBLISH ends before its packet identifier');
      }
      this.packetId = (bytes[position] << 8) | bytes[position + 1];
      position += 2;
      if (this.packetId === 0) throw malformed('MQTT-2.2.1-3', 'PUBLISH has packet identifier 0');
    } else {
      this.packetId = 0;
    }
    this.topicAlias = 0;
    this.messageExpiryInterval = NO_EXPIRY;
    this.payloadFormatIndicator = 0;
    this.mustStrip = false;
    this.#stripped = 0;
    if (version === 5) {
      if (position < end && bytes[position] === 0) {
        position++;
        this.propertiesStart = position;
        this.propertiesEnd = position;
      } else {
        position = this.#readProperties(position, end, userPropertiesMax);
      }
    } else {
      this.propertiesStart = position;
      this.propertiesEnd = position;
    }
    this.payloadStart = position;
    this.payloadEnd = end;
  }

  /** Bytes of the properties that are forwarded unchanged. */
  forwardedPropertiesLength(): number {
    return this.propertiesEnd - this.propertiesStart - this.#stripped;
  }

  /** Copies the properties that are forwarded unchanged, in their order. [MQTT-3.3.2-18] */
  copyForwardedProperties(target: Uint8Array, at: number): number {
    const bytes = this.bytes;
    let to = at;
    let position = this.propertiesStart;
    while (position < this.propertiesEnd) {
      const next = skipProperty(bytes, position);
      const identifier = bytes[position];
      if (identifier !== Property.TopicAlias && identifier !== Property.MessageExpiryInterval) {
        to = copyBytes(bytes, position, next, target, to);
      }
      position = next;
    }
    return to;
  }

  #readProperties(at: number, end: number, userPropertiesMax: number): number {
    const bytes = this.bytes;
    let position = at;
    let length = 0;
    let factor = 1;
    for (;;) {
      if (position >= end)
        throw malformed('MQTT-2.2.2-1', 'PUBLISH ends before its property length');
      const byte = bytes[position++];
      length += (byte & 127) * factor;
      if (byte < 128) break;
      if (factor === 2_097_152) {
        throw malformed('MQTT-1.5.5-1', 'the property length is longer than four bytes');
      }
      factor *= 128;
    }
    const propertiesEnd = position + length;
    if (propertiesEnd > end) throw malformed('§2.2.2.1', 'PUBLISH ends within its properties');
    this.propertiesStart = position;
    this.propertiesEnd = propertiesEnd;
    this.#seen = 0;
    let userProperties = 0;
    while (position < propertiesEnd) {
      if (bytes[position] === Property.UserProperty && ++userProperties > userPropertiesMax) {
        throw new ProtocolError(
          ReasonCode.QuotaExceeded,
          'limit user_properties_max',
          `PUBLISH has more than ${userPropertiesMax} user properties`,
        );
      }
      position = this.#readProperty(bytes[position], position + 1, propertiesEnd);
    }
    return position;
  }

  /** Reads the value at `position`; returns the position after it. */
  #readProperty(identifier: number, position: number, end: number): number {
    switch (identifier) {
      case Property.PayloadFormatIndicator:
        return this.#readPayloadFormat(position, end);
      case Property.MessageExpiryInterval:
        return this.#readExpiry(position, end);
      case Property.TopicAlias:
        return this.#readAlias(position, end);
      case Property.ContentType:
        this.#once(SEEN_CONTENT_TYPE, 'Content Type');
        return this.#skipString(position, end, 'MQTT-3.3.2-19');
      case Property.ResponseTopic: {
        this.#once(SEEN_RESPONSE_TOPIC, 'Response Topic');
        const next = this.#skipString(position, end, 'MQTT-3.3.2-13');
        checkResponseTopic(this.bytes, position + 2, next);
        return next;
      }
      case Property.CorrelationData: {
        this.#once(SEEN_CORRELATION, 'Correlation Data');
        need(position, 2, end);
        const size = (this.bytes[position] << 8) | this.bytes[position + 1];
        need(position, 2 + size, end);
        return position + 2 + size;
      }
      case Property.UserProperty: {
        const second = this.#skipString(position, end, 'MQTT-1.5.7-1');
        return this.#skipString(second, end, 'MQTT-1.5.7-1');
      }
      case Property.SubscriptionIdentifier:
        throw protocolError('MQTT-3.3.4-6', 'a client’s PUBLISH carries a Subscription Identifier');
      default:
        throw malformed(
          '§2.2.2.2',
          `property 0x${identifier.toString(16).padStart(2, '0')} does not belong in PUBLISH`,
        );
    }
  }

  #readPayloadFormat(position: number, end: number): number {
    this.#once(SEEN_FORMAT, 'Payload Format Indicator');
    need(position, 1, end);
    const value = this.bytes[position];
    if (value > 1) {
      throw protocolError(
        '§3.3.2.3.2',
        `Payload Format Indicator is ${value}; 0 and 1 are defined`,
      );
    }
    this.payloadFormatIndicator = value;
    return position + 1;
  }

  #readExpiry(position: number, end: number): number {
    this.#once(SEEN_EXPIRY, 'Message Expiry Interval');
    need(position, 4, end);
    const { bytes } = this;
    const high = (bytes[position] << 8) | bytes[position + 1];
    const low = (bytes[position + 2] << 8) | bytes[position + 3];
    this.messageExpiryInterval = ((high << 16) | low) >>> 0;
    this.mustStrip = true;
    this.#stripped += 5;
    return position + 4;
  }

  #readAlias(position: number, end: number): number {
    this.#once(SEEN_ALIAS, 'Topic Alias');
    need(position, 2, end);
    this.topicAlias = (this.bytes[position] << 8) | this.bytes[position + 1];
    if (this.topicAlias === 0) {
      throw new ProtocolError(
        ReasonCode.TopicAliasInvalid,
        'MQTT-3.3.2-8',
        'PUBLISH has Topic Alias 0',
      );
    }
    this.mustStrip = true;
    this.#stripped += 3;
    return position + 2;
  }

  #once(bit: number, name: string): void {
    if ((this.#seen & bit) !== 0) throw protocolError('§3.3.2.3', `PUBLISH has ${name} twice`);
    this.#seen |= bit;
  }

  #skipString(position: number, end: number, clause: string): number {
    need(position, 2, end);
    const start = position + 2;
    const next = start + ((this.bytes[position] << 8) | this.bytes[position + 1]);
    if (next > end)
      throw malformed(clause, 'a string property is longer than the property section');
    checkUtf8(this.bytes, start, next, clause);
    return next;
  }
}

function checkResponseTopic(bytes: Uint8Array, start: number, end: number): void {
  if (start === end) {
    throw new ProtocolError(
      ReasonCode.TopicNameInvalid,
      'MQTT-4.7.3-1',
      'the Response Topic is empty',
    );
  }
  for (let i = start; i < end; i++) {
    if (bytes[i] === 0x2b || bytes[i] === 0x23) {
      throw new ProtocolError(
        ReasonCode.TopicNameInvalid,
        'MQTT-3.3.2-14',
        'the Response Topic contains a wildcard',
      );
    }
  }
}

/** The position after the valid property at `position`. */
function skipProperty(bytes: Uint8Array, position: number): number {
  const value = position + 1;
  switch (bytes[position]) {
    case Property.PayloadFormatIndicator:
      return value + 1;
    case Property.MessageExpiryInterval:
      return value + 4;
    case Property.TopicAlias:
      return value + 2;
    case Property.UserProperty: {
      const second = value + 2 + ((bytes[value] << 8) | bytes[value + 1]);
      return second + 2 + ((bytes[second] << 8) | bytes[second + 1]);
    }
    default:
      return value + 2 + ((bytes[value] << 8) | bytes[value + 1]);
  }
}

function need(position: number, length: number, end: number): void {
  if (position + length > end) throw malformed('§2.2.2.2', 'PUBLISH ends within a property');
}

function malformed(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.MalformedPacket, clause, message);
}

function protocolError(clause: string, message: string): ProtocolError {
  return new ProtocolError(ReasonCode.ProtocolError, clause, message);
}
