/** @file Sizes in bytes as people read them. */

/** `1.5 GB`, in powers of 1024. */
export function byteSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let power = 0;
  let value = bytes;
  while (value >= 1000 && power < units.length - 1) {
    value /= 1024;
    power++;
  }
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(2))} ${units[power]}`;
}
