// What `explain` is asked and what it answers: why a message would, or would not, arrive. Plain values: the names of the steps
// and of the reasons stay what they are; the sentences are for people and may change.

import type { AclAnswer } from '../contract.ts';

export type QosNumber = 0 | 1 | 2;

export interface PublishQuestion {
  /** null: whom the session of `clientId` belongs to; without a session an anonymous client. */
  readonly username: string | null;
  /** null: a client that has no session. */
  readonly clientId: string | null;
  /** Beside those that the server knows. */
  readonly groups: readonly string[];
  readonly claims: Readonly<Record<string, unknown>>;
  readonly topic: string;
  readonly qos: QosNumber;
  readonly retain: boolean;
  /** Bytes of the payload. */
  readonly size: number;
}

export interface DeliveryQuestion {
  readonly clientId: string;
  readonly topic: string;
  /** Of a message that somebody else publishes. */
  readonly qos: QosNumber;
  readonly size: number;
}

/** `pass`: it goes on; `wait`: later; `stop`: it ends here; `note`: it changes nothing, and is good to know. */
export type StepOutcome = 'pass' | 'wait' | 'stop' | 'note';

/** One decision along the way. */
export interface ExplainedStep {
  readonly step: string;
  readonly outcome: StepOutcome;
  readonly text: string;
  /** The drop reason that a message which ends here is counted by; null: by none. */
  readonly drop: string | null;
}

export interface ExplainedClient {
  readonly clientId: string | null;
  readonly username: string | null;
  readonly groups: readonly string[];
  readonly hasSession: boolean;
  readonly isConnected: boolean;
  /** As rules name it; null: it is not known. */
  readonly listener: string | null;
}

export interface ExplainedSubscription {
  /** As its client wrote it. */
  readonly topicFilter: string;
  readonly grantedQos: QosNumber;
  /** What the rules of now leave of it. */
  readonly qos: QosNumber;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly subscriptionIdentifiers: readonly number[];
  /** `whole`: all that matches is delivered; `asked`: each topic is asked about; `muted`: nothing, until rules allow it again. */
  readonly access: 'whole' | 'asked' | 'muted';
}

export interface ExplainedQueue {
  readonly messages: number;
  readonly messagesMax: number;
  readonly bytes: number;
  readonly bytesMax: number;
  readonly policy: string;
  readonly keepsQos0: boolean;
}

/** What is between the server and a client that is connected. */
export interface ExplainedConnection {
  readonly inflight: number;
  /** QoS 1 and 2 messages that may be in flight: its Receive Maximum, or the server's limit. */
  readonly inflightMax: number;
  /** Bytes that it has not read yet. */
  readonly outputBytes: number;
  readonly outputBytesMax: number;
  /** Its Maximum Packet Size; null: it set none. */
  readonly packetSizeMax: number | null;
}

/** `sent`: at once; `queued`: it waits; `lost`: it would not get it, by the reason in `drop`. */
export type DeliveryOutcome = 'sent' | 'queued' | 'lost';

/** What would become of the message for one subscriber. */
export interface ExplainedDelivery {
  readonly clientId: string;
  readonly username: string | null;
  readonly outcome: DeliveryOutcome;
  readonly drop: string | null;
  readonly text: string;
  /** What it would get it with. */
  readonly qos: QosNumber;
  readonly retain: boolean;
  readonly subscriptions: readonly ExplainedSubscription[];
  /** What allows, or forbids, that it gets the topic; null: no authorizer is asked. */
  readonly rule: AclAnswer | null;
  readonly queue: ExplainedQueue;
  /** null: it is away. */
  readonly connection: ExplainedConnection | null;
}

export interface ExplainedGroup {
  readonly shareName: string;
  readonly topicFilter: string;
  readonly members: number;
  /** Members that were looked at, in their order, until one was found that can take it at once. */
  readonly lookedAt: number;
  /** Whose turn it is; null: nobody could take it, or nobody who was looked at. */
  readonly next: ExplainedDelivery | null;
  /** The drop reason by which the message is counted if nobody can take it; null: somebody can, or it is not known. */
  readonly drop: string | null;
  readonly text: string;
}

export interface PublishExplanation {
  readonly client: ExplainedClient;
  readonly topic: string;
  readonly qos: QosNumber;
  readonly retain: boolean;
  /** Bytes of the PUBLISH as MQTT 5 without properties; 0: there can be none. */
  readonly packetSize: number;
  readonly steps: readonly ExplainedStep[];
  /** What allows it or forbids it; null: no authorizer is asked, or it did not come to that. */
  readonly rule: AclAnswer | null;
  readonly isAccepted: boolean;
  /** Empty where it is not accepted. */
  readonly subscribers: readonly ExplainedDelivery[];
  /** Subscribers beyond those that are listed. */
  readonly moreSubscribers: number;
  readonly groups: readonly ExplainedGroup[];
  readonly moreGroups: number;
  readonly conclusion: string;
}

export interface ExplainedRetained {
  readonly qos: QosNumber;
  readonly size: number;
  /** Who published it; null: the server. */
  readonly publisher: string | null;
  /** Whether its client would get it with a new subscription. */
  readonly mayReceive: boolean;
}

export interface ExplainedDrop {
  /** ISO 8601 */
  readonly at: string;
  readonly reason: string;
  readonly topic: string;
  /** Messages that were lost one after the other. */
  readonly count: number;
}

export interface DeliveryExplanation {
  readonly client: ExplainedClient;
  readonly topic: string;
  readonly steps: readonly ExplainedStep[];
  readonly isDelivered: boolean;
  /** What waits for it; null: it has no session. */
  readonly queue: ExplainedQueue | null;
  /** null: it is away. */
  readonly connection: ExplainedConnection | null;
  /** By the subscriptions of its own; null: none matches. */
  readonly delivery: ExplainedDelivery | null;
  /** Shared subscriptions that it is a member of. */
  readonly groups: readonly ExplainedGroup[];
  readonly retained: ExplainedRetained | null;
  /** What was lost of this topic lately, for it or sent by it, the newest first; null: nobody remembers that. */
  readonly recentDrops: readonly ExplainedDrop[] | null;
  readonly conclusion: string;
}

/** What cannot be asked rejects with ControlError. Nothing changes by asking. */
export interface ExplainControl {
  publish(question: PublishQuestion): Promise<PublishExplanation>;
  delivery(question: DeliveryQuestion): Promise<DeliveryExplanation>;
}
