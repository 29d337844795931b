// What goes wrong on our side, or in an authorizer, while a client is served: an error in the log, but a client may cause it again
// and again, so that it comes at the rate of refusals.

import { limitKey } from '../lib/address.ts';
import { clip } from '../lib/clip.ts';
import type { Context } from './context.ts';

/** Whom it concerns. */
interface Concerned {
  readonly clientId: string;
  readonly remoteAddress: string;
}

/** `fields` beyond the client id. */
export function tellFault(
  { refusalLog }: Context,
  { clientId, remoteAddress }: Concerned,
  fields: object,
  sentence: string,
): void {
  const owner = limitKey(remoteAddress);
  const shown = clientId === '' ? null : clip(clientId);
  refusalLog.error(clientId, { clientId: shown, ...fields }, sentence, owner);
}
