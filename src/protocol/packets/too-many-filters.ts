// The one error that SUBSCRIBE and UNSUBSCRIBE share.

import type { DecodeLimits } from '../decode-limits.ts';
import { ProtocolError } from '../protocol-error.ts';
import { ReasonCode } from '../reason-code.ts';

/** The error of a packet with more topic filters than the operator allows. */
export function tooManyFilters(packet: string, limits: DecodeLimits): ProtocolError {
  return new ProtocolError(
    ReasonCode.QuotaExceeded,
    'limit filters_per_packet_max',
    `${packet} has more than ${limits.filtersPerPacketMax} topic filters`,
  );
}
