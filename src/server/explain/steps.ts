// The steps of an explanation.

import { DROP_REASON_NAMES, type DropReason } from '../../core/drop.ts';
import type { ExplainedStep } from '../contract/explain.ts';

export function pass(step: string, text: string): ExplainedStep {
  return { step, outcome: 'pass', text, drop: null };
}

export function note(step: string, text: string, drop: DropReason | null = null): ExplainedStep {
  return { step, outcome: 'note', text, drop: dropName(drop) };
}

export function wait(step: string, text: string): ExplainedStep {
  return { step, outcome: 'wait', text, drop: null };
}

export function stop(step: string, text: string, drop: DropReason | null = null): ExplainedStep {
  return { step, outcome: 'stop', text, drop: dropName(drop) };
}

export function dropName(drop: DropReason | null): string | null {
  return drop === null ? null : DROP_REASON_NAMES[drop];
}

/** The sentence of the step that ends it, or null. */
export function whyStopped(steps: readonly ExplainedStep[]): string | null {
  return steps.find(({ outcome }) => outcome === 'stop')?.text ?? null;
}
