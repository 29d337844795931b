// One message on its way to one session, from the queue through the in-flight window to its acknowledgement. MQTT 5 §4.3.

import { splitSharedFilter } from '../protocol/filter.ts';
import type { Message } from '../protocol/message.ts';
import type { QoS } from '../protocol/packet.ts';
import { SharedGroup } from '../router/shared-subscription.ts';
import { DeliveryState, type StoredDelivery } from '../storage/storage.ts';

/** Its bytes are the message's own; `sequence` is 0 while it is not stored. */
export class OutboundMessage implements StoredDelivery {
  sequence = 0;
  message: Message;
  readonly qos: QoS;
  readonly retain: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** The shared subscription it came through: it may move to another member. */
  readonly group: SharedGroup | null;
  packetId = 0;
  /** In flight since an earlier connection, and not sent again on this one yet. */
  isUnsent = false;
  state: DeliveryState = DeliveryState.Queued;
  /** Order in which packet ids were given out; resending keeps it. [MQTT-4.6.0-5] */
  order = 0;

  constructor(
    message: Message,
    qos: QoS,
    retain: boolean,
    subscriptionIdentifiers: readonly number[],
    group: SharedGroup | null,
  ) {
    this.message = message;
    this.qos = qos;
    this.retain = retain;
    this.subscriptionIdentifiers = subscriptionIdentifiers;
    this.group = group;
  }

  get sharedFilter(): string | null {
    return this.group === null ? null : `$share/${this.group.shareName}/${this.group.topicFilter}`;
  }
}

/** What the store has, as the session layer knows it. */
export function outboundOf(stored: StoredDelivery): OutboundMessage {
  let group: SharedGroup | null = null;
  if (stored.sharedFilter !== null) {
    const { topicFilter, shareName } = splitSharedFilter(stored.sharedFilter);
    // Stands for the group: whoever gives the message away looks the living one up by its name.
    group = new SharedGroup(shareName ?? '', topicFilter);
  }
  const { message, qos, retain, subscriptionIdentifiers } = stored;
  const entry = new OutboundMessage(message, qos, retain, subscriptionIdentifiers, group);
  entry.sequence = stored.sequence;
  entry.packetId = stored.packetId;
  entry.state = stored.state;
  return entry;
}
