/** @file A Stable Diffusion folder out of the full-size parts of tools/reference/make_full_size.py, by links. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inCheckout } from '../../scripts/document-section.mjs';

const places = { text_encoder: 'clip-l', vae: 'sd-vae' };

/** The folder, gone when disposed; the prompt is read by the fixtures' tokenizer, padded to 77 ids. */
export function modelFolder(parts, unet = 'sd1-unet') {
  const path = mkdtempSync(join(tmpdir(), 'maliang-full-'));
  const fixture = inCheckout('test/fixtures/pipelines/sd1');
  for (const name of ['model_index.json', 'scheduler', 'tokenizer']) {
    cpSync(join(fixture, name), join(path, name), { recursive: true });
  }
  const tokenizer = join(path, 'tokenizer/tokenizer_config.json');
  const config = JSON.parse(readFileSync(tokenizer, 'utf8'));
  writeFileSync(tokenizer, JSON.stringify({ ...config, model_max_length: 77 }));
  for (const [name, part] of Object.entries({ ...places, unet })) {
    mkdirSync(join(path, name));
    const source = resolve(parts, part);
    cpSync(join(source, 'config.json'), join(path, name, 'config.json'));
    const file = name === 'text_encoder' ? 'model' : 'diffusion_pytorch_model';
    const target = join(path, name, `${file}.safetensors`);
    symlinkSync(join(source, 'diffusion_pytorch_model.safetensors'), target);
  }
  return { path, dispose: () => rmSync(path, { recursive: true, force: true }) };
}
