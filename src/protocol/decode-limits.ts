// What a decoder refuses although the specification allows it: the operator's bounds on what one packet may hold. They
// are checked while reading, before anything grows past them.

import type { TopicLimits } from './topic.ts';

/** Bounds on the contents of one inbound packet; the server's `Limits` has them all. */
export interface DecodeLimits extends TopicLimits {
  /** User properties in one property section. */
  readonly userPropertiesMax: number;
  /** Topic filters in one SUBSCRIBE or UNSUBSCRIBE. */
  readonly filtersPerPacketMax: number;
}

/** Only what the wire itself bounds: for library users who trust their peer. */
export const NO_LIMITS: DecodeLimits = {
  userPropertiesMax: Number.POSITIVE_INFINITY,
  filtersPerPacketMax: Number.POSITIVE_INFINITY,
  topicLengthMax: 65_535,
  topicLevelsMax: 65_536,
};

/** Who reads: a server gets what clients send, a client what servers send. */
export type Role = 'server' | 'client';
