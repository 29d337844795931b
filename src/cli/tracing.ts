// From `[tracing]` to what the server asks for.

import type { Config } from '../config/config.ts';
import type { TracingOptions } from '../server/spans/options.ts';

/** null: no message is traced. */
export function tracingOf({ tracing }: Config): TracingOptions | null {
  const { endpoint, insecure: _, ...rest } = tracing;
  return endpoint === null ? null : { endpoint, ...rest };
}
