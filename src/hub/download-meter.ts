/** @file Counts the bytes of a download and estimates the time left. */

export interface DownloadProgress {
  /** The file whose bytes came last, as a path in the model. */
  readonly file: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** From the mean pace of this download; undefined until it has one. */
  readonly etaMs: number | undefined;
}

const reportEveryMs = 100;

export class DownloadMeter {
  readonly #totalBytes: number;
  readonly #report: (progress: DownloadProgress) => void;
  #doneBytes = 0;
  #loadedBytes = 0;
  #startedAt: number | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(totalBytes: number, report: (progress: DownloadProgress) => void = () => {}) {
    this.#totalBytes = totalBytes;
    this.#report = report;
  }

  /** Bytes that were there already. */
  skip(bytes: number): void {
    this.#doneBytes += bytes;
  }

  /** Bytes that came; negative ones have to come again. */
  advance(file: string, bytes: number): void {
    const now = performance.now();
    this.#startedAt ??= now;
    this.#doneBytes += bytes;
    this.#loadedBytes += Math.max(0, bytes);
    const isLast = this.#doneBytes === this.#totalBytes;
    if (now - this.#reportedAt < reportEveryMs && !isLast) return;
    this.#reportedAt = now;
    const [doneBytes, totalBytes] = [this.#doneBytes, this.#totalBytes];
    this.#report({ file, doneBytes, totalBytes, etaMs: this.#eta(now) });
  }

  #eta(now: number): number | undefined {
    const elapsedMs = now - this.#startedAt!;
    if (elapsedMs <= 0 || this.#loadedBytes === 0) return undefined;
    const leftBytes = this.#totalBytes - this.#doneBytes;
    return (elapsedMs / this.#loadedBytes) * leftBytes;
  }
}
