// What a part of access control comes with when it is built: warnings, what it consists of.

import path from 'node:path';
import type { AccessProblem } from '../../auth/access-error.ts';
import type { HttpOptions } from '../../auth/http/endpoint.ts';
import type { HttpConfig } from '../../config/access-config.ts';
import type { Inventory } from './inventory.ts';
import type { AccessServices } from './services.ts';

export interface Part<T> {
  readonly made: T;
  readonly warnings?: readonly AccessProblem[];
  readonly inventories?: readonly Inventory[];
  /** It is in force from now on. */
  readonly onKept?: () => void;
  /** It is not, or not any more. */
  readonly onDropped?: () => void;
}

/** Everything but the certificates, which are read from a file. */
export function httpOptions(
  name: string,
  http: HttpConfig,
  { clock, logger }: AccessServices,
): HttpOptions {
  const { url, method, headers, insecure, timeoutMs, concurrency, queueMax } = http;
  const { cacheTtlMs, cacheMax, circuitFailures, circuitOpenMs } = http;
  return {
    ...{ name, url, method, headers, insecure, timeoutMs, concurrency, queueMax },
    ...{ cacheTtlMs, cacheMax, circuitFailures, circuitOpenMs, clock, logger },
  };
}

/** The folder that a module is seen from: paths are absolute, packages are those of where the server runs. */
export function baseOf(module: string): string {
  return path.isAbsolute(module) ? path.dirname(module) : process.cwd();
}
