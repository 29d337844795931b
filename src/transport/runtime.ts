// What runs the server, and what it cannot do there: docs/runtimes.md.

export const IS_BUN = process.versions.bun !== undefined;

/** A listener is configured for something that this runtime cannot do. */
export class RuntimeLimitError extends Error {
  override readonly name = 'RuntimeLimitError';
}
