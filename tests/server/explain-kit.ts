// What tests of explanations share: questions with all that may be left out, and what of a server must not change by them.

import type { DeliveryQuestion, PublishQuestion } from '../../src/server/contract/explain.ts';
import type { TestServer } from '../kit/wire.ts';

export function asksPublish(
  { server }: TestServer,
  question: Partial<PublishQuestion> & { readonly topic: string },
) {
  return server.explain().publish({
    ...{ username: null, clientId: null, groups: [], claims: {}, qos: 0, retain: false, size: 1 },
    ...question,
  });
}

export function asksDelivery(
  { server }: TestServer,
  question: Partial<DeliveryQuestion> & { readonly clientId: string; readonly topic: string },
) {
  return server.explain().delivery({ qos: 2, size: 1, ...question });
}

/** All that is counted. */
export function countsOf({ server }: TestServer): unknown {
  return structuredClone({ stats: server.stats(), metrics: { ...server.metrics } });
}
