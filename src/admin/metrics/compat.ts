// Names that other servers and their exporters have for the same figures, so that boards made for those work. Only what IoTHub can
// say truly has such a name. Counters are gauges here: with their type OpenMetrics would end them in _total, which no such board
// knows, and rate() does not care.

import type { MetricsCompat } from '../../server/contract/metrics.ts';
import { EMQX_FAMILIES } from './emqx.ts';
import type { Family } from './family.ts';
import { MOSQUITTO_EXPORTER_FAMILIES } from './mosquitto-exporter.ts';

export const COMPAT_FAMILIES: Readonly<Record<MetricsCompat, readonly Family[]>> = {
  'mosquitto-exporter': MOSQUITTO_EXPORTER_FAMILIES,
  emqx: EMQX_FAMILIES,
};
