/** @file How long FID takes once the features are there: node bench/frechet.mjs [features] [pictures] */
import { MomentCollector, momentsOf } from '../dist/metrics/feature-moments.js';
import { frechetDistance } from '../dist/metrics/frechet-distance.js';

const size = Number(process.argv[2] ?? 2048);
const count = Number(process.argv[3] ?? 2500);
const timed = (what, work) => {
  const start = process.cpuUsage();
  const result = work();
  const { user } = process.cpuUsage(start);
  process.stdout.write(`${what}: ${(user / 1e6).toFixed(1)} s of one core\n`);
  return result;
};
const momentsAround = (centre) => {
  const collector = new MomentCollector(size);
  for (let at = 0; at < count; at += 50) {
    const data = Float32Array.from({ length: 50 * size }, () => Math.random() + centre);
    collector.add({ count: 50, size, data });
  }
  return momentsOf(collector.sums());
};
const real = timed(`sums of ${count} x ${size}`, () => momentsAround(0));
const fake = momentsAround(0.1);
process.stdout.write(`${timed('distance', () => frechetDistance(real, fake))}\n`);
