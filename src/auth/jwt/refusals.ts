// Why a token lets nobody in: the code, what its bearer is told and what the log is. Who cannot show a genuine token is told
// nothing; who can, whether it is a matter of time.

import { ReasonCode } from '../../protocol/reason-code.ts';
import type { Refused } from '../auth.ts';

export const refuse = {
  /** Its signature is not proven good, or is not worth checking. */
  forged(detail: string): Refused {
    const reasonString = 'the token is not accepted';
    return { reasonCode: ReasonCode.BadUserNameOrPassword, reasonString, detail };
  },

  /** It is genuine, but not for this client or this server. */
  unfit(detail: string): Refused {
    const reasonString = 'the token does not allow this connection';
    return { reasonCode: ReasonCode.NotAuthorized, reasonString, detail };
  },

  expired(expiredMs: number): Refused {
    const detail = `the token expired on ${new Date(expiredMs).toISOString()}`;
    return { reasonCode: ReasonCode.NotAuthorized, reasonString: 'the token has expired', detail };
  },

  early(validMs: number): Refused {
    const detail = `the token is not valid before ${new Date(validMs).toISOString()}: are the clocks right?`;
    return {
      reasonCode: ReasonCode.NotAuthorized,
      reasonString: 'the token is not valid yet',
      detail,
    };
  },

  /** Keys that might be good for it are not there. */
  unavailable(detail: string): Refused {
    const reasonString = 'tokens cannot be checked at the moment';
    return { reasonCode: ReasonCode.ServerUnavailable, reasonString, detail };
  },

  /** Nothing was looked at, and nothing is held against its bearer. */
  unasked(): Refused {
    const detail = 'the client has gone, or was turned away';
    return { reasonCode: ReasonCode.ServerUnavailable, detail };
  },

  busy(detail: string): Refused {
    const reasonString = 'too many clients want to log in';
    return { reasonCode: ReasonCode.ServerBusy, reasonString, detail };
  },
} as const;
