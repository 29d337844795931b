// All metric families of the page, in its order.

import { CONNECTION_FAMILIES } from './connection-families.ts';
import type { Family } from './family.ts';
import { MESSAGE_FAMILIES } from './message-families.ts';
import { RUNTIME_FAMILIES } from './runtime-families.ts';
import { TRACING_FAMILIES } from './tracing-families.ts';

export const FAMILIES: readonly Family[] = [
  ...CONNECTION_FAMILIES,
  ...MESSAGE_FAMILIES,
  ...TRACING_FAMILIES,
  ...RUNTIME_FAMILIES,
];
