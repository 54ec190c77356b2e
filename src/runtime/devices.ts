/** @file Where models can run, and what each place needs. */

/** Where models run, by the names of ONNX Runtime's execution providers. */
export const devices = ['cpu', 'cuda', 'webgpu', 'coreml', 'dml'] as const;
export type Device = (typeof devices)[number];

/** What each device needs beside the package. */
export const deviceNeeds: Readonly<Record<Exclude<Device, 'cpu'>, string>> = {
  cuda: 'It needs Linux on x64 or Windows, an NVIDIA card with CUDA 12 and cuDNN 9, and the CUDA libraries of onnxruntime-node: run `node node_modules/onnxruntime-node/script/install`.',
  webgpu:
    'It needs a graphics driver: on Linux Vulkan, for example the packages libvulkan1 and mesa-vulkan-drivers.',
  coreml: 'It needs macOS on Apple silicon.',
  dml: 'It needs Windows with DirectX 12.',
};
