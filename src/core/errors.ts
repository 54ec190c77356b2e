/** @file The error type of the whole library and the closed table of its codes. */

/** What a code means, what cures it, and the process exit code the command line gives it. */
interface ErrorRow {
  readonly exitCode: 1 | 2 | 3 | 130;
  readonly meaning: string;
  readonly cure: string;
}

/** Every code the library may raise. `docs/errors.md` lists the same rows; a test compares both. */
export const errorTable = {
  SHAPE: {
    exitCode: 1,
    meaning: 'Tensor shapes or dtypes do not fit an operation.',
    cure: 'Compare the shapes in the message with the operation’s contract.',
  },
  GRAPH: {
    exitCode: 1,
    meaning: 'A graph breaks a rule of the verifier.',
    cure: 'Print the graph and look at the node the message names.',
  },
  INTERNAL: {
    exitCode: 1,
    meaning: 'A bug in Maliang.',
    cure: 'Report it with the message and the command.',
  },
  CONFIG: {
    exitCode: 1,
    meaning: 'A configuration value is missing, unknown or out of range.',
    cure: 'Correct the field the message names.',
  },
  WEIGHTS: {
    exitCode: 1,
    meaning: 'Weights do not fit the architecture: tensors missing, unused or of another shape.',
    cure: 'Check that the weight file belongs to the config beside it.',
  },
  SAFETENSORS: {
    exitCode: 1,
    meaning: 'A weight file is truncated, damaged or hostile.',
    cure: 'Delete the file and fetch it again.',
  },
  TOKENIZER: {
    exitCode: 1,
    meaning: 'Tokenizer files are missing or inconsistent.',
    cure: 'Check vocab.json, merges.txt or tokenizer.json.',
  },
  IMAGE: {
    exitCode: 1,
    meaning: 'A picture cannot be read: not a picture, damaged, or over the limits.',
    cure: 'Convert it to PNG, JPEG or WebP within the limits the message gives.',
  },
  RECIPE: {
    exitCode: 3,
    meaning: 'A picture does not say how it was made, or not in a form that can be followed.',
    cure: 'See what it says with `maliang info`, and give the rest as options.',
  },
  DATA: {
    exitCode: 1,
    meaning: 'A data set is missing, empty or inconsistent.',
    cure: 'Build the data set again with the command the message names.',
  },
  CHECKPOINT: {
    exitCode: 1,
    meaning: 'A training checkpoint cannot be resumed.',
    cure: 'Start without --resume, or restore the folder the message names.',
  },
  TRAINING: {
    exitCode: 1,
    meaning: 'Training cannot go on, for example because the loss is no longer a number.',
    cure: 'Lower the learning rate and resume from the last checkpoint.',
  },
  FILE_READ: {
    exitCode: 3,
    meaning: 'A file or folder cannot be found or read.',
    cure: 'Check the path and its permissions.',
  },
  FILE_WRITE: {
    exitCode: 1,
    meaning: 'A file cannot be written.',
    cure: 'Choose a folder you may write to.',
  },
  DISK_FULL: {
    exitCode: 1,
    meaning: 'The disk is full; nothing half-written was left behind.',
    cure: 'Free some space or choose another folder.',
  },
  MODEL_NOT_FOUND: {
    exitCode: 3,
    meaning: 'No model at the given path or of the given id.',
    cure: 'Give a folder in the diffusers layout, or leave out --model.',
  },
  MODEL_UNSUPPORTED: {
    exitCode: 1,
    meaning: 'A model, component or setting that Maliang does not run.',
    cure: 'Use one of the classes the message lists.',
  },
  HUB_UNREACHABLE: {
    exitCode: 1,
    meaning: 'The model hub gives no answer, or is busy.',
    cure: 'Check the connection, or set HF_ENDPOINT to a mirror; what is loaded is kept.',
  },
  HUB_ACCESS: {
    exitCode: 1,
    meaning: 'The model hub does not let this account read the model.',
    cure: 'Log in at the hub, accept the licence of the model, and set HF_TOKEN.',
  },
  HUB_CONTENT: {
    exitCode: 1,
    meaning: 'What the model hub sent is damaged, too large or hostile; it was not kept.',
    cure: 'Download again; if it recurs, use another HF_ENDPOINT or another model.',
  },
  USAGE: {
    exitCode: 2,
    meaning: 'The command line or a call has a wrong or missing argument.',
    cure: 'See `maliang --help`.',
  },
  RUNTIME: {
    exitCode: 1,
    meaning: 'The execution engine refused a graph or failed while running it.',
    cure: 'Run `maliang doctor`; report the message if the installation is sound.',
  },
  DEVICE: {
    exitCode: 1,
    meaning: 'The device asked for is not there, or lacks a driver.',
    cure: 'Install what the message names, or use cpu.',
  },
  RUNTIME_EXITED: {
    exitCode: 1,
    meaning: 'The process that computes ended unexpectedly, often for want of memory.',
    cure: 'Close other programs or use a smaller model or picture.',
  },
  DISPOSED: {
    exitCode: 1,
    meaning: 'An object was used after it was disposed.',
    cure: 'Keep the object alive until the last call, or load it again.',
  },
  CANCELLED: {
    exitCode: 130,
    meaning: 'The work was cancelled.',
    cure: 'Run it again; training resumes with --resume.',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** The four parts of every message: `where: expected X, got Y. Next step.` */
export interface Complaint {
  readonly where: string;
  readonly expected: string;
  readonly got: string;
  /** The next step; defaults to the cure of the code. */
  readonly next?: string;
}

/** Base of every error Maliang raises. `code` is stable; messages may improve. */
export class MaliangError extends Error {
  override readonly name = 'MaliangError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  get exitCode(): number {
    return errorTable[this.code].exitCode;
  }
}

/** Builds an error in the house form. Throw the result: `throw complain('SHAPE', {...})`. */
export function complain(code: ErrorCode, complaint: Complaint, cause?: unknown): MaliangError {
  const { where, expected, got } = complaint;
  const next = complaint.next ?? errorTable[code].cure;
  return new MaliangError(code, `${where}: expected ${expected}, got ${got}. ${next}`, cause);
}

/** A bug in Maliang itself. */
export function internal(where: string, detail: string): MaliangError {
  return new MaliangError('INTERNAL', `internal: ${where}: ${detail}`);
}

/** The error for an aborted signal; the signal’s reason is kept as the cause. */
export function cancelled(where: string, signal?: AbortSignal): MaliangError {
  return new MaliangError('CANCELLED', `${where}: cancelled.`, signal?.reason);
}

/** Throws the CANCELLED error when `signal` is aborted. */
export function throwIfAborted(where: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancelled(where, signal);
}
