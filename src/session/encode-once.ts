// A message that goes to many subscribers alike is encoded once per (version, QoS, retain) and copied from then on, the packet
// id patched in. The first subscriber is encoded straight into its output, so that a message with one subscriber pays nothing.

import { viewOf } from '../protocol/bytes.ts';
import type { Message } from '../protocol/message.ts';
import {
  type Delivery,
  packetIdOffset,
  packetSize,
  publishRemainingLength,
  writePublishHead,
  writePublishPayload,
} from '../protocol/publish-encoder.ts';

/** Larger packets are not kept: copying their payload twice costs more than a header. */
const SIZE_MAX = 16_384;

/** One encoded form of the current message. */
class EncodedForm {
  sequence = 0;
  messageExpiryInterval = 0;
  /** Bytes of the packet; 0 until a second subscriber asked for it. */
  size = 0;
  packetIdOffset = 0;
  bytes: Uint8Array = new Uint8Array(256);
  /** Of `bytes`. */
  view: DataView = viewOf(this.bytes);
}

export class EncodeOnce {
  readonly #forms: readonly EncodedForm[] = Array.from({ length: 12 }, () => new EncodedForm());

  /**
   * The encoded form, or null when the caller should encode itself: for the first subscriber of a message, and for what
   * cannot be shared (alias, subscription identifiers, DUP).
   */
  get(message: Message, delivery: Delivery): EncodedForm | null {
    if (delivery.topicAlias !== 0 || delivery.dup || delivery.subscriptionIdentifiers.length > 0) {
      return null;
    }
    const index = (delivery.version === 5 ? 6 : 0) + delivery.qos * 2 + (delivery.retain ? 1 : 0);
    const form = this.#forms[index];
    if (
      form.sequence !== message.sequence ||
      form.messageExpiryInterval !== delivery.messageExpiryInterval
    ) {
      form.sequence = message.sequence;
      form.messageExpiryInterval = delivery.messageExpiryInterval;
      form.size = 0;
      return null;
    }
    if (form.size === 0 && !this.#encode(form, message, delivery)) return null;
    return form;
  }

  #encode(form: EncodedForm, message: Message, delivery: Delivery): boolean {
    const remainingLength = publishRemainingLength(message, delivery);
    const size = packetSize(remainingLength);
    if (size > SIZE_MAX) return false;
    if (form.bytes.length < size) {
      form.bytes = new Uint8Array(Math.min(SIZE_MAX, size * 2));
      form.view = viewOf(form.bytes);
    }
    const position = writePublishHead(message, delivery, remainingLength, form.bytes, 0);
    writePublishPayload(message, form.bytes, position);
    form.packetIdOffset = packetIdOffset(message, remainingLength);
    form.size = size;
    return true;
  }
}
