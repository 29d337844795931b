// What each reason for a lost message means, what an operator can do about it, and how it is told: the one place that the log, the
// API, the command line and docs/drops.md take it from.

import { DropReason } from './drop.ts';

export interface DropReasonInfo {
  /** Whose client id a loss is told with: who sent the message, or who would have got it. */
  readonly concerns: 'publisher' | 'subscriber';
  /** What the depth of such a loss counts: messages in the queue, bytes in the output; null: there is none. */
  readonly depth: 'messages' | 'bytes' | null;
  /** Of its lines in the log; null: another line tells it, with more than is known here. */
  readonly level: 'debug' | 'info' | 'warn' | null;
  /** One line for all clients: it is about the server. */
  readonly isOfServer?: boolean;
  /** What a line of the log says. */
  readonly sentence: string;
  /** One sentence. */
  readonly meaning: string;
  /** One sentence. */
  readonly advice: string;
}

export const DROP_REASON_INFO: Readonly<Record<DropReason, DropReasonInfo>> = {
  [DropReason.NoSubscriber]: {
    ...{ concerns: 'publisher', depth: null, level: 'debug' },
    sentence: 'messages of a client were for nobody: no subscription matches',
    meaning: 'Nobody subscribes to its topic.',
    advice:
      'Usual where nobody listens yet; else compare the topic, letter by letter, with what the subscriber subscribes to.',
  },
  [DropReason.NoLocal]: {
    ...{ concerns: 'publisher', depth: null, level: 'debug' },
    sentence: 'messages of a client are not sent back to it: its subscription says No Local',
    meaning: 'The only subscription of its publisher that matches says No Local.',
    advice: 'Nothing: the client asked for that when it subscribed.',
  },
  [DropReason.QueueFull]: {
    ...{ concerns: 'subscriber', depth: 'messages', level: 'warn' },
    sentence: 'messages for a client are lost: its queue is full',
    meaning: 'The queue of its subscriber is full, and its policy drops what is new.',
    advice:
      'See why the client does not acknowledge or stays away; raise `limits.queue_messages_max` or `limits.queue_bytes_max`, or those of a table of `[[queues]]`.',
  },
  [DropReason.QueueOldest]: {
    ...{ concerns: 'subscriber', depth: 'messages', level: 'warn' },
    sentence: 'messages for a client are lost: its queue is full, and the oldest make room',
    meaning: 'The queue of its subscriber was full, and its policy drops what is oldest.',
    advice:
      'See why the client does not acknowledge or stays away; raise `limits.queue_messages_max` or `limits.queue_bytes_max`, or those of a table of `[[queues]]`.',
  },
  [DropReason.OutputFull]: {
    ...{ concerns: 'subscriber', depth: 'bytes', level: 'warn' },
    sentence: 'messages of QoS 0 for a client are lost: it does not read fast enough',
    meaning: 'It is of QoS 0, and its subscriber does not read as fast as messages come.',
    advice:
      'Look at the network and at the client; raise `limits.output_bytes_max` for short bursts, or subscribe with QoS 1, so that messages queue.',
  },
  [DropReason.Offline]: {
    ...{ concerns: 'subscriber', depth: null, level: 'debug' },
    sentence: 'messages of QoS 0 for a client are lost: it is not connected',
    meaning: 'It is of QoS 0, and its subscriber has a session but is not connected.',
    advice: 'Publish and subscribe with QoS 1, or set `limits.queue_qos0`.',
  },
  [DropReason.Expired]: {
    ...{ concerns: 'subscriber', depth: null, level: 'info' },
    sentence: 'messages for a client are lost: they expired before it could have them',
    meaning: 'Its Message Expiry Interval passed before it could be sent.',
    advice:
      'Usual for a subscriber that was away for longer; else let the publisher give it a longer interval.',
  },
  [DropReason.PacketTooLarge]: {
    ...{ concerns: 'subscriber', depth: null, level: 'warn' },
    sentence: 'messages for a client are lost: they are larger than it allows',
    meaning: 'It is larger than the Maximum Packet Size that its subscriber named in CONNECT.',
    advice: 'Let the client name a larger one, or the publisher send smaller messages.',
  },
  [DropReason.NotAuthorized]: {
    ...{ concerns: 'publisher', depth: null, level: null },
    sentence: 'a client may not publish this',
    meaning: 'Its publisher may not publish there, or nobody could say whether it may.',
    advice: 'See the rule that is told with it; `iothub acl explain publish` asks again.',
  },
  [DropReason.RetainedLimit]: {
    ...{ concerns: 'publisher', depth: null, level: 'warn' },
    sentence: 'retained messages of a client are not kept: there are as many as allowed',
    meaning:
      'It was to be retained and is not, because there are as many retained messages, or bytes of them, as allowed; subscribers got it.',
    advice:
      'Delete retained messages that nobody needs, or raise `limits.retained_messages_max` or `limits.retained_bytes_max`.',
  },
  [DropReason.SessionEnded]: {
    ...{ concerns: 'subscriber', depth: null, level: 'debug' },
    sentence: 'messages for a client are lost: its session ended while they waited',
    meaning: 'The session of its subscriber ended while it waited, or before it was acknowledged.',
    advice:
      'Usual for clients that start anew; a client that wants what comes while it is away needs a Session Expiry Interval (v5) or clean session 0 (v3), and must not outstay it.',
  },
  [DropReason.Refused]: {
    ...{ concerns: 'subscriber', depth: null, level: 'info' },
    sentence: 'a client refuses messages: it acknowledges them with a failure',
    meaning: 'Its subscriber acknowledged it with a reason code of 0x80 or above.',
    advice: 'Look into the log of the client: it has a reason of its own.',
  },
  [DropReason.NoSharedMember]: {
    ...{ concerns: 'publisher', depth: null, level: 'warn' },
    sentence: 'messages of a client are lost: no member of a shared subscription can take them',
    meaning: 'No member of a shared subscription that matches had room for it.',
    advice:
      'Add members, see why those that are there do not acknowledge, or raise `limits.queue_messages_max`.',
  },
  [DropReason.StoreFailing]: {
    ...{ concerns: 'publisher', depth: null, level: 'warn' },
    sentence: 'messages of a client are refused: the store is failing',
    meaning:
      'It would have to be stored, and the store cannot be written; QoS 1 and 2 are not acknowledged, and their publisher still has them.',
    advice: 'See the alarm of the store: the disk is full or failing.',
  },
  [DropReason.Limit]: {
    ...{ concerns: 'publisher', depth: null, level: 'info' },
    sentence: 'messages of a client are refused: its QoS, retain or payload is not taken here',
    meaning:
      'Its QoS is above `limits.qos_max`, it is to be retained and `limits.retain_available` is false, or its payload is not the UTF-8 that it claims to be.',
    advice: 'Correct the client, or the limit.',
  },
  [DropReason.StoreDamaged]: {
    ...{ concerns: 'subscriber', depth: null, level: 'warn' },
    sentence: 'messages for a client are lost: the store does not have them any more',
    meaning: 'It waited in the store, where it cannot be read any more.',
    advice: 'Check the disk; `iothub store verify` says what else is damaged.',
  },
  [DropReason.QueueReplaced]: {
    ...{ concerns: 'subscriber', depth: 'messages', level: 'debug' },
    sentence: 'queued messages for a client gave way to newer ones of their topics',
    meaning:
      'A newer message of its topic took its place in the queue, as the policy `keep-latest-per-topic` wants.',
    advice: 'Nothing; a client that needs every message needs another policy.',
  },
  [DropReason.ReceiveNotAuthorized]: {
    ...{ concerns: 'subscriber', depth: null, level: null },
    sentence: 'a client may not receive this',
    meaning: 'Its subscriber may not receive it.',
    advice: 'See the rule that is told with it; `iothub acl explain receive` asks again.',
  },
  [DropReason.Quota]: {
    ...{ concerns: 'publisher', depth: null, level: null },
    sentence: 'a client has used up its quota',
    meaning:
      'Its publisher has used up a quota: of messages, of bytes, or of what it may have retained.',
    advice: 'See the log for the quota; raise it in `[[quotas]]`, or let the client send less.',
  },
  [DropReason.ReceiveMaximum]: {
    ...{ concerns: 'publisher', depth: null, level: 'info' },
    sentence: 'a client sends more than Receive Maximum at once, and is disconnected',
    meaning:
      'Its publisher (v5) had as many messages unacknowledged as `limits.receive_maximum` allows, and was disconnected; it still has the message.',
    advice: 'Correct the client: it must heed the Receive Maximum of CONNACK.',
  },
  [DropReason.Shutdown]: {
    ...{ concerns: 'subscriber', depth: null, level: 'info', isOfServer: true },
    sentence: 'messages are lost: they waited in sessions that end with the server',
    meaning:
      'It waited in a session that is gone with the server: one that ends with its connection, or any where there is no store; so did a will whose time had not come.',
    advice:
      'Keep sessions in a store (`storage.type`), and let clients ask for sessions that last.',
  },
  [DropReason.QueueCleared]: {
    ...{ concerns: 'subscriber', depth: 'messages', level: 'info' },
    sentence: 'messages for a client are lost: an operator cleared its queue',
    meaning:
      'An operator cleared the queue that it waited in: `iothub queues clear`, or the admin API.',
    advice: 'Nothing: the log says when it was done.',
  },
  [DropReason.Overload]: {
    ...{ concerns: 'subscriber', depth: 'bytes', level: 'warn' },
    sentence: 'messages of QoS 0 for a client are lost: the server is overloaded',
    meaning:
      'It is of QoS 0, its subscriber does not keep up, and the server has too little memory, or is too late, to keep it.',
    advice:
      'See docs/overload.md: give the process more memory (`overload.memory_max`) or less to do, or subscribe with QoS 1.',
  },
  [DropReason.Unsent]: {
    ...{ concerns: 'subscriber', depth: null, level: 'debug' },
    sentence:
      'messages of QoS 0 for a client are lost: its connection ended before they were written',
    meaning:
      'It is of QoS 0, and the connection of its subscriber ended while it waited for the socket to take it.',
    advice:
      'Usual for clients that go while messages come; else look at the line of its disconnect, and subscribe with QoS 1 what must arrive.',
  },
};
