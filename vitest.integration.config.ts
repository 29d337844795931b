import { defineConfig } from 'vitest/config';

// Real clients against the built server: `npm run test:integration`, which builds first.
export default defineConfig({
  test: {
    include: ['tests/integration/**/*.test.ts'],
    testTimeout: 40_000,
    fileParallelism: false,
  },
});
