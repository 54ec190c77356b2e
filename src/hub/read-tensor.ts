/** @file Reads tensors of any size out of weight files. */
import { type FileHandle, open } from 'node:fs/promises';
import { complain, MaliangError } from '../core/errors.js';
import { type TensorData, toFloat32 } from '../core/tensor-data.js';
import { tensorFromBytes } from '../formats/safetensors.js';
import { type StoredTensor, unreadable } from './weight-file.js';

/** Below what one read of the operating system takes. */
const pieceBytes = 2 ** 30;

/** Fills `into` from byte `begin` on. Throws FILE_READ when the file cannot be read or ends early. */
async function readRange(path: string, begin: number, into: Uint8Array): Promise<void> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    await fill(file, path, begin, into);
  } catch (cause) {
    throw cause instanceof MaliangError ? cause : unreadable(path, cause);
  } finally {
    await file.close();
  }
}

async function fill(
  file: FileHandle,
  path: string,
  begin: number,
  into: Uint8Array,
): Promise<void> {
  for (let at = 0; at < into.length; ) {
    const length = Math.min(pieceBytes, into.length - at);
    const { bytesRead } = await file.read(into, at, length, begin + at);
    if (bytesRead === 0) {
      const expected = `${begin + into.length} bytes`;
      throw complain('FILE_READ', { where: path, expected, got: `${begin + at}` });
    }
    at += bytesRead;
  }
}

/** A tensor out of a weight file, as f32. Throws FILE_READ. */
export async function readFloats(tensor: StoredTensor): Promise<Float32Array> {
  const { file, dtype, shape, begin, end } = tensor;
  if (dtype === 'f32') {
    const values = new Float32Array((end - begin) / 4);
    await readRange(file, begin, new Uint8Array(values.buffer));
    return values;
  }
  return toFloat32(await readTensorAt({ file, dtype, shape, begin, end }));
}

/** A tensor out of a weight file, as it is stored. Throws FILE_READ. */
export async function readTensorAt(tensor: StoredTensor): Promise<TensorData> {
  const bytes = new Uint8Array(tensor.end - tensor.begin);
  await readRange(tensor.file, tensor.begin, bytes);
  return tensorFromBytes(bytes, tensor);
}
