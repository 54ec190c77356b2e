/** @file What a hub's refusals mean, each with a next step. */
import { complain, MaliangError } from '../core/errors.js';

/** What was asked of the hub. */
export interface Question {
  /** `owner/name`. */
  readonly id: string;
  readonly revision?: string | undefined;
  /** Path in the repository. */
  readonly file?: string | undefined;
}

/** No useful answer this time; asking again may help. */
export class HubUnreachable extends MaliangError {
  /** How long the hub asks to wait. */
  readonly retryAfterMs: number | undefined;

  /** Nobody listens there, or there is no way. */
  get isAbsent(): boolean {
    const { cause } = (this.cause ?? {}) as { cause?: { code?: string } };
    return ['ECONNREFUSED', 'ENOTFOUND', 'ENETUNREACH', 'EAI_AGAIN'].includes(cause?.code ?? '');
  }

  constructor(message: string, cause: unknown, retryAfterMs?: number) {
    super('HUB_UNREACHABLE', message, cause);
    this.retryAfterMs = retryAfterMs;
  }
}

/** For answers that never came or broke off. */
export function unreachable(where: string, cause: unknown): HubUnreachable {
  const error = cause as { cause?: { code?: string; message?: string }; message?: string };
  const got = error.cause?.code ?? error.cause?.message ?? error.message ?? 'nothing';
  return busy(where, got, { cause });
}

/** For answers that say: not now. */
export function busy(
  where: string,
  got: string,
  { cause, retryAfterMs }: { cause?: unknown; retryAfterMs?: number | undefined } = {},
): HubUnreachable {
  const wait =
    retryAfterMs !== undefined && retryAfterMs > 60_000
      ? { next: `Wait ${Math.ceil(retryAfterMs / 1000)} s and try again; what is loaded is kept.` }
      : {};
  const { message } = complain('HUB_UNREACHABLE', {
    where,
    expected: 'an answer',
    got,
    ...wait,
  });
  return new HubUnreachable(message, cause, retryAfterMs);
}

/** The error for a status that asking again does not change. */
export function refusal(
  response: Response,
  question: Question,
  { endpoint, hasToken }: { endpoint: string; hasToken: boolean },
): MaliangError {
  const code = response.headers.get('x-error-code') ?? '';
  const said = response.headers.get('x-error-message') ?? '';
  const { status } = response;
  const got = `${status}${code ? ` ${shown(code)}` : ''}${said ? ` (${shown(said)})` : ''}`;
  const { id, revision, file } = question;
  const where = `hub: ${id}${revision === undefined ? '' : `@${revision}`}`;
  const page = `${endpoint}/${id}`;
  if (code === 'GatedRepo') {
    const login = hasToken ? '' : ', and set HF_TOKEN to a token of that account';
    return complain('HUB_ACCESS', {
      where,
      expected: 'access to this gated model',
      got,
      next: `Accept its licence at ${page} in your account${login}.`,
    });
  }
  if (code === 'RevisionNotFound') {
    const next = `See the branches at ${page}/tree/main.`;
    return complain('MODEL_NOT_FOUND', { where, expected: 'a branch, tag or commit', got, next });
  }
  if (code === 'EntryNotFound') {
    const expected = `the file ${file ?? 'asked for'}`;
    return complain('MODEL_NOT_FOUND', { where, expected, got, next: `See ${page}/tree/main.` });
  }
  const isBadToken = /invalid (?:credentials|user|username)|token/i.test(said);
  const isUnknown = code === 'RepoNotFound' || status === 404 || (status === 401 && !isBadToken);
  if (isUnknown) {
    const next = hasToken
      ? 'Check the spelling, and that the account of the token may see the model.'
      : 'Check the spelling; for a private model set HF_TOKEN.';
    return complain('MODEL_NOT_FOUND', {
      where,
      expected: 'a folder or a model on the hub',
      got,
      next,
    });
  }
  if (status === 401 || status === 403) {
    const next = 'Set HF_TOKEN to a valid token that may read the model, or unset it.';
    return complain('HUB_ACCESS', { where, expected: 'access to the model', got, next });
  }
  if (status === 451)
    return complain('HUB_ACCESS', { where, expected: 'access to the model', got });
  return complain('HUB_CONTENT', { where, expected: 'the model', got });
}

/** The error for an answer that must not be used. */
export function unusable(
  where: string,
  expected: string,
  got: string,
  next?: string,
): MaliangError {
  return complain('HUB_CONTENT', { where, expected, got, ...(next ? { next } : {}) });
}

/** A name or text of the hub: cut, and without characters that steer a terminal. */
export function shown(text: string): string {
  const quoted = JSON.stringify(text.slice(0, 120)).slice(1, -1);
  return quoted.replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '?');
}
