// Tests run against the sources; only those of the command line start the built entry, which `npm test` builds first.

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Folders whose tests start no process, and leave nothing behind: their files share a process, which takes a quarter of a second
 * less for each. What a test changes in its process it changes back, as everywhere.
 */
const SHARED = '{client,config,core,lib,model,protocol,router,session,wire}';

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'shared', include: [`tests/${SHARED}/**/*.test.ts`], isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'own',
          include: ['tests/**/*.test.ts'],
          exclude: ['tests/integration/**', `tests/${SHARED}/**`],
        },
      },
    ],
    // Many wait for processes that they started, or for a time that passes: without one worker more than there are processors
    // those are idle.
    maxWorkers: availableParallelism() + 1,
    testTimeout: 15_000,
    hookTimeout: 30_000,
    coverage: {
      provider: 'v8',
      include: ['src/**'],
      reporter: ['text-summary', 'html'],
    },
  },
});
