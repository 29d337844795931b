// What runs the tests.

/** Bun instead of Node; docs/runtimes.md says what differs. */
export const isBun = process.versions.bun !== undefined;
