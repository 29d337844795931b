import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Real clients against the built server: `npm run test:integration`, which builds first.
export default defineConfig({
  test: {
    include: ['tests/integration/**/*.test.ts'],
    // Each file has servers and ports of its own. A test is a chain of processes that wait for one another, and for times that
    // pass: one file at a time leaves more than half of the machine idle.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
