/** @file The names of the metrics, apart from their rules so that listing them loads nothing. */

/** FID, KID, CMMD, precision and recall with density and coverage, inception score, CLIP score. */
export const metricNames = ['fid', 'kid', 'cmmd', 'pr', 'is', 'clip'] as const;
export type MetricName = (typeof metricNames)[number];
