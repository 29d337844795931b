// The garbage collector on request: V8 collects when something is allocated, so that a server that takes nothing in any more
// keeps its garbage.

import v8 from 'node:v8';
import vm from 'node:vm';

/** The collector, which Node shows only to who asks for it at its start; this asks later. Null where that cannot be done. */
export function findCollector(): (() => void) | null {
  try {
    v8.setFlagsFromString('--expose-gc');
    const collect: unknown = vm.runInNewContext('gc');
    return typeof collect === 'function' ? () => void collect() : null;
  } catch {
    return null;
  }
}
