/** @file An autoencoder alone in a file: AutoencoderKL in original or diffusers' names, or TAESD. */
import { complain } from '../../core/errors.js';
import type { ConfigJson } from '../config-reader.js';
import {
  below,
  type ComponentSketch,
  type LocatedComponent,
  locateComponent,
} from './component.js';
import { foreignKind } from './foreign.js';
import type { StoredShapes } from './origin.js';
import { inferTaesd, taesdOrigin } from './taesd-layout.js';
import { inferVae } from './vae-layout.js';
import { vaeSketch } from './vae-sketch.js';

/**
 * Recognises the autoencoder. `scaling` are the fields no file holds: the factor and shift of the
 * model it is for. Throws MODEL_UNSUPPORTED, WEIGHTS or CONFIG.
 */
export function readLoneVae(
  path: string,
  tensors: StoredShapes,
  scaling: ConfigJson,
): LocatedComponent {
  for (const prefix of ['', 'first_stage_model.', 'vae.']) {
    const stored = below(tensors, prefix);
    const config = inferVae(stored);
    if (!config) continue;
    const sketch = vaeSketch(stored, prefix, { ...config, ...scaling });
    const located = locateComponent(sketch, tensors);
    const others = [...tensors.keys()].filter((key) => !key.startsWith(prefix));
    if (others.length === 0) return located;
    const warning = `${path}: only the VAE is read; ${others.length} other tensors are not.`;
    return { ...located, warnings: [...located.warnings, warning] };
  }
  const tiny = inferTaesd(tensors);
  if (tiny && tiny.decoder !== undefined) return locateComponent(tinySketch(tiny), tensors);
  throw complain('MODEL_UNSUPPORTED', {
    where: path,
    expected: 'an AutoencoderKL or a TAESD with its decoder',
    got: tiny ? 'the encoder of a TAESD alone' : (foreignKind(tensors) ?? 'other tensors'),
    next: 'Give the file of a VAE, or a folder with its config.json.',
  });
}

function tinySketch(layout: NonNullable<ReturnType<typeof inferTaesd>>): ComponentSketch {
  return {
    name: 'vae',
    className: 'AutoencoderTiny',
    prefix: '',
    config: layout.config,
    origin: (parameter) => taesdOrigin(parameter, layout),
    unused: [{ pattern: /^vae_(?:scale|shift)$/, reason: 'factors of another program' }],
    optional: layout.encoder === undefined ? /^encoder\./ : undefined,
  };
}
