// The one line in the log about a queue that fills, in time to do something about it. It says how full it is, and by which bounds. One
// that fills and empties all the time is told at a bounded rate, with the number of times.

import type { Context } from './context.ts';
import type { Session } from './session.ts';

export function warnOfQueue({ refusalLog }: Context, session: Session): void {
  const { clientId, connection, outbound, queueLimits } = session;
  const { queueBytesMax, queueMessagesMax, queuePolicy } = queueLimits;
  refusalLog.warn(
    clientId,
    {
      clientId,
      isConnected: connection !== null,
      queuedMessages: outbound.queuedMessages,
      queueMessagesMax,
      queuedBytes: outbound.queuedBytes,
      queueBytesMax,
      queuePolicy,
    },
    'the queue of a client is 80 % full; when it is full its policy decides what is lost',
  );
}
