// The benchmark's arithmetic: percentiles of one run, medians and spread over several.
// Holds: pure functions; an empty list has no percentile and says so by `undefined`.
// Must never: leave a value out because it looks odd.

const ranks = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999 };

/** The smallest value that at least this share of all is not above (nearest rank); `sorted` ascends. */
export const quantile = (sorted, share) =>
  sorted.length === 0 ? undefined : sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];

/** Percentiles and the largest of all; the order of `values` does not matter. */
export function percentiles(values) {
  const sorted = Float64Array.from(values).sort();
  const found = Object.entries(ranks).map(([name, share]) => [name, quantile(sorted, share)]);
  return { ...Object.fromEntries(found), max: sorted.at(-1) };
}

/** The middle of some numbers; the mean of the two in the middle where their number is even. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return undefined;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median, least and greatest of what several rounds gave. */
export const summary = (values) => ({ median: median(values), least: Math.min(...values), greatest: Math.max(...values) });
