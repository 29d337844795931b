// Control packets by the names that metrics have for them, with who sends which. MQTT 5 §2.1.2.

type Direction = 'received' | 'sent';

const BOTH: readonly Direction[] = ['received', 'sent'];

/** In the order of their types, which begin with 1. */
export const PACKETS: readonly {
  readonly packet: string;
  readonly directions: readonly Direction[];
}[] = [
  { packet: 'connect', directions: ['received'] },
  { packet: 'connack', directions: ['sent'] },
  { packet: 'publish', directions: BOTH },
  { packet: 'puback', directions: BOTH },
  { packet: 'pubrec', directions: BOTH },
  { packet: 'pubrel', directions: BOTH },
  { packet: 'pubcomp', directions: BOTH },
  { packet: 'subscribe', directions: ['received'] },
  { packet: 'suback', directions: ['sent'] },
  { packet: 'unsubscribe', directions: ['received'] },
  { packet: 'unsuback', directions: ['sent'] },
  { packet: 'pingreq', directions: ['received'] },
  { packet: 'pingresp', directions: ['sent'] },
  { packet: 'disconnect', directions: BOTH },
  { packet: 'auth', directions: BOTH },
];
