import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// What scripts/bun-tests.sh runs with Bun. Not the tests of TLS, nor of what else Bun's servers refuse or cannot: reloads across
// protocols, few files to open. The load generator is for Node.
export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    exclude: [
      'tests/integration/**',
      'tests/bench/**',
      'tests/transport/tls/**',
      'tests/server/tls-*',
      'tests/server/{accept,listener-changes,listeners-reload,stages}.test.ts',
      'tests/cli/{open-files,reload}.test.ts',
    ],
    maxWorkers: Math.max(2, availableParallelism()),
    testTimeout: 15_000,
    hookTimeout: 30_000,
  },
});
