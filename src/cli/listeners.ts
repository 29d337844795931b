// From the listeners of the configuration to those of the server.

import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import type { ListenerOptions } from '../server/server.ts';

/** Throws ConfigError for protocols that are not served yet. */
export function listenersOf({ listeners }: Config): ListenerOptions[] {
  const problems = listeners.flatMap(({ protocol, url }, index) => {
    if (protocol === 'mqtt') return [];
    const message = `${url}: ${protocol}:// is not served yet`;
    return [{ path: `listeners[${index}]`, message, line: null }];
  });
  if (problems.length > 0) throw new ConfigError(null, problems);
  return listeners.map(({ host, port }) => ({ host, port }));
}
