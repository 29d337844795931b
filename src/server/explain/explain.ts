// Explanations of a server that runs.

import type { ExplainControl } from '../contract/explain.ts';
import { explainReceiving } from './delivery.ts';
import type { ExplainParts } from './parts.ts';
import { explainPublish } from './publish.ts';

export function explainControl(parts: ExplainParts): ExplainControl {
  return {
    publish: (question) => explainPublish(parts, question),
    delivery: (question) => explainReceiving(parts, question),
  };
}
