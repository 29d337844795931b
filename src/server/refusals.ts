// What the log says of connections that are not let in: each sentence names the key of the configuration that decides. They are
// told at a bounded rate, since refusing must stay cheap when thousands come.

import type { RefusalLog } from '../core/refusal-log.ts';
import { limitKey } from '../lib/address.ts';
import type { RefusalReason } from '../transport/accept-control.ts';

/** The limit of the server is counted as the listener's, and another line; bans are the guard's, draining an operator's. */
export type Refusal = RefusalReason | 'server-connections' | 'banned' | 'draining';

const SENTENCES: Readonly<Record<Refusal, string>> = {
  banned: 'its address is banned',
  draining: 'the server is being drained',
  overload: 'the event loop is later than loop_lag_max in [limits], and must catch up first',
  'server-connections': 'the server has connections_max of [limits]',
  connections: 'the listener has its connections_max',
  'connections-per-address': 'its address has connections_per_address_max of the listener',
  rate: 'connections come faster than connect_rate of the listener',
  'rate-per-address':
    'connections of its address come faster than connect_rate_per_address of the listener',
  'half-connected':
    'half_connected_max connections of the listener have not sent their CONNECT yet',
};

/** A line for each reason, and for each address where the reason is the address's. */
export function logRefusal(
  log: RefusalLog,
  reason: Refusal,
  listener: string,
  address: string,
): void {
  const isOfAddress =
    reason === 'banned' || reason === 'connections-per-address' || reason === 'rate-per-address';
  const fields = { listener, address, reason };
  const sentence = `a connection was not let in: ${SENTENCES[reason]}`;
  // That of one address is its own doing; the rest is for whoever runs the server.
  if (isOfAddress) log.info(limitKey(address), fields, sentence);
  else log.warn('', fields, sentence);
}
