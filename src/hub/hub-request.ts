/** @file Requests to a hub: redirects followed by hand so that the token stays at home, retries, timeouts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cancelled, MaliangError, throwIfAborted } from '../core/errors.js';
import {
  busy,
  HubUnreachable,
  type Question,
  refusal,
  shown,
  unreachable,
  unusable,
} from './hub-errors.js';
import type { HubSettings } from './hub-settings.js';

const hopLimit = 10;
const attemptLimit = 5;
const absentLimit = 2;
const firstDelayMs = 500;
const longestDelayMs = 8000;
/** A hub that asks to wait longer gets its way: the error says how long. */
const longestWaitMs = 60_000;

export interface HubSession {
  readonly settings: HubSettings;
  readonly signal: AbortSignal | undefined;
}

export interface HubRequest {
  readonly question: Question;
  /** `isHome` is false once a redirect has led to another host. */
  readonly headers?: ((isHome: boolean) => Record<string, string>) | undefined;
  /** True: headers only, of the hub itself where it would redirect to another host. */
  readonly isHead?: boolean;
  /** Statuses besides 2xx that are answers. */
  readonly accepts?: readonly number[];
}

/**
 * One request. Throws CANCELLED; HubUnreachable when another attempt may help; MODEL_NOT_FOUND,
 * HUB_ACCESS or HUB_CONTENT when not.
 */
export async function ask(
  path: string,
  request: HubRequest,
  session: HubSession,
): Promise<Response> {
  const { question, accepts = [] } = request;
  const { endpoint, token } = session.settings;
  throwIfAborted('hub', session.signal);
  const response = await follow(new URL(`${endpoint}${path}`), request, session).catch(
    (cause: unknown) => {
      throw failure(endpoint, cause, session);
    },
  );
  if (response.ok || accepts.includes(response.status)) return response;
  await response.body?.cancel().catch(() => {});
  const { status } = response;
  if (status === 408 || status === 429 || status >= 500) {
    const retryAfterMs = waitOf(response.headers);
    throw busy(`hub: ${endpoint}`, `status ${status}`, { retryAfterMs });
  }
  throw refusal(response, question, { endpoint, hasToken: token !== undefined });
}

/** Our own errors pass; an abort is a cancellation; the rest is the network's. */
export function failure(where: string, cause: unknown, { signal }: HubSession): unknown {
  if (signal?.aborted) return cancelled('hub', signal);
  return cause instanceof MaliangError ? cause : unreachable(`hub: ${where}`, cause);
}

async function follow(start: URL, request: HubRequest, session: HubSession): Promise<Response> {
  const { token, answerTimeoutMs } = session.settings;
  let url = start;
  let isHome = true;
  for (let hop = 0; hop <= hopLimit; hop++) {
    const headers = {
      // A compressed answer has neither a length nor ranges to rely on.
      'accept-encoding': 'identity',
      'user-agent': 'maliang',
      ...request.headers?.(isHome),
      ...(isHome && token !== undefined ? { authorization: `Bearer ${token}` } : {}),
    };
    const method = request.isHead ? 'HEAD' : 'GET';
    const response = await answerOf(url, { method, headers }, answerTimeoutMs, session.signal);
    const next = redirectOf(response, url);
    if (!next || (request.isHead && next.origin !== start.origin)) return response;
    await response.body?.cancel().catch(() => {});
    // Once away, always away: a page elsewhere must not choose where the token goes.
    isHome = isHome && next.origin === start.origin;
    url = next;
  }
  throw unusable(`hub: ${start.host}`, `at most ${hopLimit} redirects`, 'more');
}

function redirectOf(response: Response, from: URL): URL | undefined {
  const location = response.headers.get('location');
  if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return undefined;
  const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  const isSafe = next?.protocol === 'https:' || next?.protocol === from.protocol;
  if (next && isSafe && !next.username && !next.password) return next;
  throw unusable(`hub: ${from.host}`, 'a redirect to an https address', shown(location));
}

/** The headers of an answer, within the time given; the body may take longer. */
async function answerOf(
  url: URL,
  request: { method: string; headers: Record<string, string> },
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new DOMException(`no answer within ${timeoutMs / 1000} s`, 'TimeoutError'));
  }, timeoutMs);
  const all = AbortSignal.any([late.signal, ...(signal ? [signal] : [])]);
  try {
    return await fetch(url, { ...request, redirect: 'manual', signal: all });
  } finally {
    clearTimeout(timer);
  }
}

/** Seconds or a date in Retry-After, or the `t` of a RateLimit header. */
function waitOf(headers: Headers): number | undefined {
  const after = headers.get('retry-after')?.trim();
  if (after !== undefined && /^\d+$/.test(after)) return Number(after) * 1000;
  const date = after === undefined ? Number.NaN : Date.parse(after);
  if (!Number.isNaN(date)) return Math.max(0, date - Date.now());
  const limit = /;\s*t\s*=\s*(\d+)/.exec(headers.get('ratelimit') ?? '');
  return limit ? Number(limit[1]) * 1000 : undefined;
}

/**
 * Attempts until one succeeds; those that got something (`hasAdvanced`) do not count. Waits as
 * long as the hub asks, up to a minute.
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  { signal }: HubSession,
  hasAdvanced?: () => boolean,
): Promise<T> {
  for (let failed = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof HubUnreachable)) throw error;
      failed = hasAdvanced?.() ? 1 : failed + 1;
      const { retryAfterMs, isAbsent } = error;
      // What is under way may outlast a gap in the connection; a first question need not wait.
      const limit = isAbsent && !hasAdvanced ? absentLimit : attemptLimit;
      if (failed >= limit || (retryAfterMs ?? 0) > longestWaitMs) throw error;
      const delayMs = Math.min(longestDelayMs, firstDelayMs * 2 ** (failed - 1));
      const jitterMs = Math.random() * 0.25 * delayMs;
      await sleep(retryAfterMs ?? delayMs + jitterMs, undefined, signal ? { signal } : {}).catch(
        () => {
          throw cancelled('hub', signal);
        },
      );
    }
  }
}

/** The body as JSON, at most `limitBytes` of it. Throws HUB_CONTENT, HubUnreachable or CANCELLED. */
export async function jsonOf(
  response: Response,
  limitBytes: number,
  session: HubSession,
): Promise<unknown> {
  const where = `hub: ${session.settings.endpoint}`;
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of watched(response, session)) {
      size += chunk.length;
      if (size > limitBytes) throw unusable(where, `at most ${limitBytes} bytes of JSON`, 'more');
      chunks.push(chunk);
    }
  } catch (cause) {
    throw failure(session.settings.endpoint, cause, session);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw unusable(where, 'JSON', (cause as Error).message.slice(0, 120));
  }
}

/** The chunks of a body that never stands still longer than the settings allow. */
export async function* watched(
  response: Response,
  { settings: { stallTimeoutMs } }: HubSession,
): AsyncGenerator<Uint8Array> {
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
  if (!reader) return;
  let timer: NodeJS.Timeout | undefined;
  try {
    for (;;) {
      const stalled = new Promise<never>((_, reject) => {
        const reason = new DOMException(`nothing for ${stallTimeoutMs / 1000} s`, 'TimeoutError');
        timer = setTimeout(() => reject(reason), stallTimeoutMs);
      });
      const { done, value } = await Promise.race([reader.read(), stalled]);
      clearTimeout(timer);
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}
