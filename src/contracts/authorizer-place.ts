// What the author of an authorizer says of it, so that its contract can be tried.

import type { Authorizer, Client } from '../auth/auth.ts';
import type { QoS } from '../protocol/packet.ts';

/** Something that a client may do, or may not. */
export interface ClientAction {
  /** What differs from a v5 client `contract` of the user `contract` on loopback. */
  readonly client: Partial<Client>;
  /** `receive`: be delivered a message of this topic, by any subscription. */
  readonly action: 'publish' | 'subscribe' | 'receive';
  /** A topic name; for `subscribe` a topic filter without `$share`. */
  readonly topic: string;
  /** Absent: of any. */
  readonly qos?: QoS;
  /** Of a PUBLISH; absent: whether or not. */
  readonly retain?: boolean;
}

export interface AuthorizerPlace {
  /** One that nobody has asked yet. Called once. */
  authorizer(): Authorizer | Promise<Authorizer>;
  /** What is allowed; at least one `publish` and one `subscribe`. */
  readonly allowed: readonly ClientAction[];
  /** What is not allowed, or not decided; at least one `publish` and one `receive`. */
  readonly denied: readonly ClientAction[];
  /**
   * The topic that a user of this name may publish to, where names stand in rules (`users/%u/…`); somebody whose name is a
   * wildcard must not get the topics of others by that.
   */
  readonly topicOfUser?: (username: string) => string;
  /**
   * Some of its grants come from somebody who is never asked about deliveries, as in a chain: what was granted as a whole is
   * delivered, whatever `authorizeReceive` would say of it.
   */
  readonly grantsForOthers?: boolean;
  /** After the authorizer was closed. */
  dispose?(): void | Promise<void>;
}
