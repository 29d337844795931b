// A server without anything to manage, for tests of other routes.

import type { ManagementControl } from '../../src/server/contract/management.ts';

export const NO_MANAGEMENT = { server: {} } as unknown as ManagementControl;
