/** @file Safetensors: the reference library's files, every attack on the header, and mutated bytes (FUZZ_RUNS sets how many). */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MaliangError } from '../../src/core/errors.js';
import { type Dtype, dtypeBytes, type TensorData } from '../../src/core/tensor-data.js';
import {
  encodeSafetensorsHeader,
  parseSafetensorsHeader,
  readTensor,
  safetensorsHeaderBytes,
  safetensorsLimits,
  streamSafetensors,
  tensorBytes,
  tensorFromBytes,
  writeSafetensors,
} from '../../src/formats/safetensors.js';

interface Expected {
  readonly file: string;
  readonly metadata: Record<string, string>;
  readonly tensors: Record<string, { dtype: Dtype; shape: number[]; data: string }>;
}

const folder = new URL('../fixtures/safetensors/', import.meta.url);
const expected = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as {
  files: Expected[];
};
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)));

function parseWhole(bytes: Uint8Array) {
  return parseSafetensorsHeader(bytes, bytes.length);
}

describe('files of the reference library', () => {
  for (const { file, metadata, tensors } of expected.files) {
    const bytes = bytesOf(file);
    const header = parseWhole(bytes);

    it(`${file}: reads metadata and every tensor`, () => {
      expect(Object.fromEntries(header.metadata)).toEqual(metadata);
      expect([...header.tensors.keys()].sort()).toEqual(Object.keys(tensors).sort());
      for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
        const tensor = readTensor(bytes, header.tensors.get(name)!);
        expect([tensor.dtype, tensor.shape]).toEqual([dtype, shape]);
        expect(Buffer.from(tensorBytes(name, tensor)).toString('base64')).toBe(data);
      }
    });

    it(`${file}: writes the same bytes back`, () => {
      const list = [...header.tensors].map(
        ([name, entry]) => [name, readTensor(bytes, entry)] as const,
      );
      expect(writeSafetensors(list, header.metadata)).toEqual(bytes);
    });
  }
});

const small = writeSafetensors(
  [
    ['odd', { dtype: 'u8', shape: [3], data: Uint8Array.of(1, 2, 3) }],
    ['scalar', { dtype: 'f64', shape: [], data: Float64Array.of(Math.PI) }],
    ['none', { dtype: 'i64', shape: [0, 5], data: new BigInt64Array(0) }],
    ['half', { dtype: 'f16', shape: [1, 2], data: Uint16Array.of(0x3c00, 0xc000) }],
  ],
  { note: 'é "quoted" \\' },
);

describe('reading', () => {
  it('needs the first 8 bytes to tell the header size', () => {
    const headerBytes = safetensorsHeaderBytes(small.subarray(0, 8), small.length);
    expect(headerBytes % 8).toBe(0);
    expect(parseSafetensorsHeader(small.subarray(0, headerBytes), small.length).headerBytes).toBe(
      headerBytes,
    );
  });

  it('copies unaligned tensors, wherever the file lies in its buffer', () => {
    const shifted = new Uint8Array(small.length + 3);
    shifted.set(small, 3);
    const bytes = shifted.subarray(3);
    const { tensors, metadata } = parseWhole(bytes);
    const scalar = readTensor(bytes, tensors.get('scalar')!);
    expect(tensors.get('scalar')!.begin % 8).toBe(3);
    expect(scalar.data).toEqual(Float64Array.of(Math.PI));
    expect(readTensor(bytes, tensors.get('none')!).data).toEqual(new BigInt64Array(0));
    expect(metadata.get('note')).toBe('é "quoted" \\');
    shifted.fill(0);
    expect(scalar.data[0]).toBe(Math.PI);
  });

  it('reads one tensor from its own bytes', () => {
    const entry = parseWhole(small).tensors.get('half')!;
    const own = small.subarray(entry.begin, entry.end);
    expect(tensorFromBytes(own, entry).data).toEqual(Uint16Array.of(0x3c00, 0xc000));
    expect(() => tensorFromBytes(own.subarray(1), entry)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: safetensors: expected 4 bytes for f16[1,2], got 3. Delete the file and fetch it again.]`,
    );
  });

  it('refuses a file that ends before the tensor', () => {
    const entry = parseWhole(small).tensors.get('half')!;
    expect(() => readTensor(small.subarray(0, -1), entry)).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: safetensors: expected a file of 303 bytes for f16[1,2], got 302. Delete the file and fetch it again.]`,
    );
  });
});

describe('writing', () => {
  const one: TensorData = { dtype: 'f32', shape: [1], data: Float32Array.of(1) };

  it('streams the bytes it writes at once, without copying tensors', async () => {
    const { tensors, metadata } = parseWhole(small);
    const loaded = new Map([...tensors].map(([name, entry]) => [name, readTensor(small, entry)]));
    const chunks: Uint8Array[] = [];
    const stream = streamSafetensors(tensors, async (name) => loaded.get(name)!, metadata);
    for await (const chunk of stream) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(small)).toBe(true);
    expect(chunks[2]!.buffer).toBe(loaded.get('scalar')!.data.buffer);
  });

  it('refuses a streamed tensor that differs from its spec', async () => {
    const stream = streamSafetensors([['w', { dtype: 'f32', shape: [2] }]], () => one);
    await stream.next();
    await expect(stream.next()).rejects.toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: writeSafetensors: expected f32[2] for "w", got f32[1]. Correct the tensors given to the writer.]`,
    );
  });

  it.each<[string, readonly (readonly [string, TensorData])[]]>([
    [
      'a name twice',
      [
        ['w', one],
        ['w', one],
      ],
    ],
    ['the metadata name', [['__metadata__', one]]],
    ['a lone surrogate', [['\ud800', one]]],
    ['too few values', [['w', { ...one, shape: [2] }]]],
    ['a negative size', [['w', { ...one, shape: [-1] }]]],
    ['a fractional size', [['w', { ...one, shape: [0.5, 2] }]]],
    ['a product over 2^53', [['w', { ...one, shape: [2 ** 52, 2 ** 52, 0] }]]],
    ['33 axes', [['w', { ...one, shape: new Array<number>(33).fill(1) }]]],
  ])('refuses %s', (_, tensors) => {
    expect(() => writeSafetensors(tensors)).toThrowErrorMatchingSnapshot();
  });

  it('round-trips any tensors and metadata', () => {
    const name = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .filter((s) => s !== '__metadata__' && !/\p{Surrogate}/u.test(s));
    const tensor = fc
      .tuple(
        fc.constantFrom(...(Object.keys(dtypeBytes) as Dtype[])),
        fc.array(fc.nat(4), { maxLength: 4 }),
        fc.nat(255),
      )
      .map(([dtype, shape, fill]) => {
        const count = shape.reduce((a, b) => a * b, 1);
        return tensorFromBytes(new Uint8Array(count * dtypeBytes[dtype]).fill(fill), {
          dtype,
          shape,
        });
      });
    const tensors = fc.uniqueArray(fc.tuple(name, tensor), {
      selector: ([key]) => key,
      maxLength: 8,
    });
    fc.assert(
      fc.property(
        tensors,
        fc.uniqueArray(fc.tuple(name, name), { selector: ([key]) => key }),
        (list, notes) => {
          const bytes = writeSafetensors(list, new Map(notes));
          const header = parseWhole(bytes);
          expect([...header.metadata]).toEqual(notes);
          expect([...header.tensors.keys()]).toEqual(list.map(([key]) => key));
          for (const [key, value] of list) {
            expect(readTensor(bytes, header.tensors.get(key)!)).toEqual(value);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** A file with this header text and so many data bytes; `length` overrides the declared header length. */
function hostile(header: string | Uint8Array, dataBytes = 0, length?: bigint): Uint8Array {
  const text = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function entry(fields: string, name = 'w'): string {
  return `{${JSON.stringify(name)}:{${fields}}}`;
}

const floats = '"dtype":"F32","shape":[2],"data_offsets":[0,8]';
const pair = (first: string, second: string): string =>
  `{"a":{"dtype":"U8","shape":[4],"data_offsets":${first}},"b":{"dtype":"U8","shape":[4],"data_offsets":${second}}}`;

const attacks: Record<string, Uint8Array> = {
  'no bytes at all': new Uint8Array(0),
  'fewer than 8 bytes': new Uint8Array(7),
  'a zip (pickle) renamed to safetensors': Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0, 0, 0, 8, 0, 0, 0),
  'a bare pickle renamed to safetensors': Uint8Array.of(
    0x80,
    2,
    0x63,
    0x6f,
    0x73,
    0x0a,
    0x73,
    0x79,
    0x73,
    0x2e,
  ),
  'a header length of zero': hostile('{}', 8, 0n),
  'a header length of 2^64-1': hostile('{}', 0, 2n ** 64n - 1n),
  'a header length of 2^53+8, which a double rounds': hostile('{}', 0, 2n ** 53n + 8n),
  'a header over the limit': hostile('{}', 0, BigInt(safetensorsLimits.headerBytes + 1)),
  'a header that ends after the file': hostile('{}', 0, 3n),
  'a header that does not begin with {': hostile(' {}'),
  'a byte-order mark before the header': hostile('\ufeff{}'),
  'a header that is a list': hostile('[]'),
  'a header that is not UTF-8': hostile(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x7d)),
  'an overlong UTF-8 quote': hostile(Uint8Array.of(0x7b, 0xc0, 0xa2, 0x7d)),
  'an unfinished header': hostile(entry(floats).slice(0, -1), 8),
  'text after the header object': hostile(`${entry(floats)}{}`, 8),
  'a duplicate tensor': hostile(`{"w":{${floats}},"w":{${floats}}}`, 8),
  'a duplicate tensor spelled with an escape': hostile(
    `{"w":{${floats}},"\\u0077":{${floats}}}`,
    8,
  ),
  'a duplicate field': hostile(entry(`${floats},"shape":[2]`), 8),
  'a duplicate metadata key': hostile('{"__metadata__":{"a":"1","a":"2"}}'),
  'metadata that is not an object': hostile('{"__metadata__":"x"}'),
  'metadata with a number': hostile('{"__metadata__":{"a":1}}'),
  'nested metadata': hostile('{"__metadata__":{"a":{"b":"c"}}}'),
  'a lone surrogate in a name': hostile(entry(floats, 'X').replace('X', '\\ud800'), 8),
  'a control character in a name': hostile(entry(floats).replace('w', '\u0001'), 8),
  'deep nesting': hostile(`{"w":${'['.repeat(100_000)}${']'.repeat(100_000)}}`),
  'deep nesting in an unknown field': hostile(entry(`${floats},"x":[[[]]]`), 8),
  'an unknown field': hostile(entry(`${floats},"x":1`), 8),
  'a missing field': hostile(entry('"dtype":"F32","shape":[2]'), 8),
  'an entry that is not an object': hostile('{"w":[0,8]}', 8),
  'an unknown dtype': hostile(entry(floats.replace('F32', 'OBJECT')), 8),
  'a dtype named like a prototype method': hostile(entry(floats.replace('F32', 'constructor')), 8),
  'a dtype that is not text': hostile(entry(floats.replace('"F32"', '5')), 8),
  'a tensor beyond the end of the file (CVE-2026-7482)': hostile(
    entry('"dtype":"F32","shape":[1000],"data_offsets":[0,4000]'),
    8,
  ),
  'offsets beyond the file for a small shape': hostile(
    entry('"dtype":"F32","shape":[2],"data_offsets":[4000,4008]'),
    8,
  ),
  'a shape larger than its bytes': hostile(
    entry('"dtype":"F32","shape":[3],"data_offsets":[0,8]'),
    8,
  ),
  'a shape smaller than its bytes': hostile(
    entry('"dtype":"F32","shape":[1],"data_offsets":[0,8]'),
    8,
  ),
  'a product of sizes that wraps 64 bits to 8 bytes': hostile(
    entry('"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]'),
    8,
  ),
  'a product of sizes that a double rounds': hostile(
    entry('"dtype":"U8","shape":[9007199254740991,9007199254740991],"data_offsets":[0,8]'),
    8,
  ),
  'a product that wraps, hidden behind a zero size': hostile(
    entry('"dtype":"U8","shape":[9007199254740991,9007199254740991,0],"data_offsets":[0,0]'),
  ),
  'a size over 2^53': hostile(
    entry('"dtype":"F32","shape":[9007199254740993,0],"data_offsets":[0,0]'),
  ),
  'a negative size': hostile(entry('"dtype":"F32","shape":[-2],"data_offsets":[0,8]'), 8),
  'minus zero': hostile(entry('"dtype":"F32","shape":[-0],"data_offsets":[0,0]')),
  'a fractional size': hostile(entry('"dtype":"F32","shape":[2.0],"data_offsets":[0,8]'), 8),
  'a size with an exponent': hostile(entry('"dtype":"F32","shape":[2e0],"data_offsets":[0,8]'), 8),
  'a size with a leading zero': hostile(
    entry('"dtype":"F32","shape":[02],"data_offsets":[0,8]'),
    8,
  ),
  'a size as text': hostile(entry('"dtype":"F32","shape":["2"],"data_offsets":[0,8]'), 8),
  'a size of NaN': hostile(entry('"dtype":"F32","shape":[NaN],"data_offsets":[0,8]'), 8),
  'a shape that is not a list': hostile(entry('"dtype":"F32","shape":2,"data_offsets":[0,8]'), 8),
  'more axes than the limit': hostile(
    entry(`"dtype":"U8","shape":[${new Array(33).fill(1)}],"data_offsets":[0,1]`),
    1,
  ),
  'one offset': hostile(entry('"dtype":"F32","shape":[2],"data_offsets":[0]'), 8),
  'three offsets': hostile(entry('"dtype":"F32","shape":[2],"data_offsets":[0,8,8]'), 8),
  'offsets in reverse': hostile(entry('"dtype":"F32","shape":[2],"data_offsets":[8,0]'), 8),
  'offsets over 2^53': hostile(
    entry('"dtype":"F32","shape":[2],"data_offsets":[9007199254740992,9007199254741000]'),
    8,
  ),
  'overlapping tensors': hostile(pair('[0,4]', '[2,6]'), 6),
  'two tensors on the same bytes': hostile(pair('[0,4]', '[0,4]'), 4),
  'a hole between tensors': hostile(pair('[0,4]', '[5,9]'), 9),
  'a hole before the first tensor': hostile(
    entry('"dtype":"F32","shape":[2],"data_offsets":[4,12]'),
    12,
  ),
  'an empty tensor outside the data': hostile(
    entry('"dtype":"F32","shape":[0],"data_offsets":[4,4]'),
    0,
  ),
  'an empty tensor inside another': hostile(
    `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`,
    4,
  ),
  'bytes after the last tensor': hostile(entry(floats), 9),
  'bytes missing from the last tensor': hostile(entry(floats), 7),
  'bytes but no tensors': hostile('{}', 1),
  'another float8 dtype, not read yet': hostile(
    entry('"dtype":"F8_E4M3FNUZ","shape":[8],"data_offsets":[0,8]'),
    8,
  ),
  'a scale dtype, not read yet': hostile(
    entry('"dtype":"F8_E8M0","shape":[8],"data_offsets":[0,8]'),
    8,
  ),
};

function refusal(bytes: Uint8Array): string {
  try {
    parseWhole(bytes);
  } catch (error) {
    if (error instanceof MaliangError && error.code === 'SAFETENSORS') return error.message;
    throw error;
  }
  throw new Error('the file was accepted');
}

describe('attacks on the header', () => {
  it.each(Object.entries(attacks))('%s', (_, bytes) => {
    expect(refusal(bytes)).toMatchSnapshot();
  });

  it('more tensors than the limit', () => {
    const names = Array.from(
      { length: safetensorsLimits.tensors + 1 },
      (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
    );
    expect(refusal(hostile(`{${names.join(',')}}`))).toMatch(/at most 100000 tensors, got 100001/);
  });

  it('a huge header of one string neither hangs nor overflows the stack', () => {
    const quoted = `{"${'\\n'.repeat(12_000_000)}`;
    expect(refusal(hostile(quoted))).toMatch(/closing quote/);
  });

  it('quotes a hostile name with its control characters escaped, and cut', () => {
    const name = `\u001b[31m${'x'.repeat(5000)}`;
    const message = refusal(hostile(entry(floats, name), 7));
    expect(message).toContain('"\\u001b[31mxxx');
    expect(message.length).toBeLessThan(300);
  });

  it('header bytes that were not handed over', () => {
    expect(() =>
      parseSafetensorsHeader(small.subarray(0, 20), small.length),
    ).toThrowErrorMatchingInlineSnapshot(
      `[MaliangError: safetensors: expected the 288 bytes of the header, got 20. Delete the file and fetch it again.]`,
    );
  });

  it.each([Number.NaN, -1, 1.5, 2 ** 53])('a file size of %s', (size) => {
    expect(() => parseSafetensorsHeader(small, size)).toThrow(MaliangError);
  });
});

interface Edit {
  readonly at: number;
  readonly isInHeader: boolean;
  readonly remove: number;
  readonly insert: Uint8Array;
}

describe('mutated files', () => {
  const runs = Number(process.env.FUZZ_RUNS ?? 4000);
  const corpus = [small, ...expected.files.map(({ file }) => bytesOf(file))];
  const spliced = fc.record({
    file: fc.constantFrom(...corpus),
    edits: fc.array(
      fc.record({
        at: fc.double({ min: 0, max: 1, noNaN: true }),
        isInHeader: fc.boolean(),
        remove: fc.nat(3),
        insert: fc.oneof(
          fc.uint8Array({ maxLength: 4 }),
          fc
            .constantFrom(
              '0',
              '-1',
              '9007199254740993',
              '1e9',
              '{',
              '}',
              '[',
              ']',
              '"',
              ',',
              '\\u0000',
              '"__proto__"',
              '"F64"',
              'null',
              '{}',
              ':',
            )
            .map((text) => new TextEncoder().encode(text)),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    fixesLength: fc.boolean(),
  });

  function mutate({
    file,
    edits,
    fixesLength,
  }: {
    file: Uint8Array;
    edits: Edit[];
    fixesLength: boolean;
  }): Uint8Array {
    let bytes = file;
    const dataBytes = file.length - safetensorsHeaderBytes(file, file.length);
    for (const { at, isInHeader, remove, insert } of edits) {
      const span = isInHeader ? bytes.length - dataBytes : bytes.length;
      const from = Math.max(0, Math.floor(at * span));
      bytes = new Uint8Array(
        Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + remove)]),
      );
    }
    if (fixesLength && bytes.length >= 8 + dataBytes) {
      bytes = bytes.slice();
      new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - dataBytes - 8), true);
    }
    return bytes;
  }

  it(`are read in full or refused with SAFETENSORS (${runs} runs)`, () => {
    let accepted = 0;
    fc.assert(
      fc.property(spliced, (plan) => {
        const bytes = mutate(plan);
        try {
          const { tensors, headerBytes } = parseWhole(bytes);
          let covered = headerBytes;
          for (const [name, found] of tensors)
            covered += tensorBytes(name, readTensor(bytes, found)).length;
          expect(covered).toBe(bytes.length);
          accepted++;
        } catch (error) {
          if (!(error instanceof MaliangError) || error.code !== 'SAFETENSORS') throw error;
        }
      }),
      { numRuns: runs },
    );
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(runs);
  });
});

describe('encodeSafetensorsHeader', () => {
  it('lets the first tensor begin where it is asked to', () => {
    for (const name of ['w', 'w'.repeat(61), 'w'.repeat(64)]) {
      const specs = [[name, { dtype: 'f32', shape: [2] }]] as const;
      const header = encodeSafetensorsHeader(specs, undefined, 64);
      expect(header.length % 64).toBe(0);
      const file = new Uint8Array([...header, ...new Uint8Array(8)]);
      expect(parseSafetensorsHeader(file, file.length).tensors.get(name)?.begin).toBe(
        header.length,
      );
    }
  });

  it('pads the header with spaces to 8 bytes', () => {
    const header = encodeSafetensorsHeader([['w', { dtype: 'bf16', shape: [2, 3] }]]);
    expect(header.length % 8).toBe(0);
    expect(new TextDecoder().decode(header.subarray(8))).toMatchInlineSnapshot(
      `"{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}      "`,
    );
  });
});
