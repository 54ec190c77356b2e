/** @file What the command says, in English and Chinese; the type makes a missing translation an error. */
import { chinese } from './messages-zh.js';

/** `{name}` stands for a value. */
export const english = {
  program: '{program}',
  'usage.form': '{where}: expected {expected}, got {got}. {next}',
  'usage.see': 'See `{program} --help`.',
  'usage.nothing': 'nothing',
  'usage.prompt': 'a prompt in words',
  'usage.promptNext': 'For example: {example}',
  'usage.knownOption': 'a known option',
  'usage.meant': 'Did you mean {suggestion}?',
  'usage.option': 'option {option}',
  'usage.optionOf': 'an option of `{command}`',
  'usage.belongs': '{option} belongs to `{command}`.',
  'usage.value': 'a value',
  'usage.valueNext': 'Write {option}={got} if that is the value.',
  'usage.noValue': 'no value',
  'usage.once': 'the option once',
  'usage.twice': 'it twice',
  'usage.wholeNumber': 'a whole number from {min} to {max}',
  'usage.number': 'a number from {min} to {max}',
  'usage.size': 'a size such as 128x128, sides from 8 to 4096',
  'usage.oneOf': 'one of {choices}',
  'usage.noVary': 'no --vary beside it',
  'usage.both': 'both',
  'usage.text': 'some text',
  'usage.lora': 'a file, and a weight after a colon if it is not 1: style.safetensors:0.8',
  'usage.prediction': 'one of {names}',
  'usage.noWords': 'no further words',
  'usage.drawNext': 'To draw those words: {example}',
  'usage.command': 'a command or a prompt',
  'usage.commandNext': 'Did you mean `{program} {suggestion}`? To draw the word: {example}',
  'usage.variant': 'a variant such as fp16',
  'usage.action': 'one of {choices}',
  'usage.modelId': 'a model id such as owner/name',
  'usage.modelName': 'the id or path of a model',
  'usage.yes': '--yes, for nobody is there to be asked',
  'usage.yesNext': 'To remove it without a question: {example}',
  'usage.objective': 'one of {choices}',
  'usage.config': '--config FILE',
  'usage.configNext': 'For example: {example}',
  'usage.picture': 'a folder, or a file name ending in .png, .jpg or .webp',
  'usage.pictureNext': 'Maliang writes PNG, JPEG and WebP files.',
  'usage.sameFormat': '{format}, as --out ends',
  'usage.quality': 'a whole number from 1 to 100, or lossless',
  'usage.lossy': 'JPEG or WebP, by --format or the end of --out',
  'usage.webp': 'WebP for lossless files; PNG needs no quality',
  'usage.judges':
    'a list of {names}, each with =MODEL for a model of its own, such as clip,blip=FOLDER',
  'usage.aesthetic': 'clip=MODEL and aesthetic=HEAD together, as a head reads one CLIP',
  'usage.keep': 'at most --best-of, which is {most}',
  'usage.bestOf': '--best-of beside it',
  'usage.noNum': 'no --num beside --best-of',
  'usage.files': 'picture files or folders',
  'usage.promptAndFiles': 'a prompt, then picture files or folders',
  'usage.captioner': '--captioner MODEL, a BLIP captioning model',
  'usage.oneFile': 'one picture file',
  'usage.seedShift': 'a seed that is shifted to no less than 0',
  'usage.onePicture': 'a folder when --num is above 1',
  'usage.json': 'a JSON file',
  'usage.metrics': 'a list of {names}, such as fid,kid',
  'usage.folders': '--real FOLDER and --fake FOLDER',
  'usage.promptFile': 'a file of prompts',

  'help.usage': 'Usage',
  'help.commands': 'Commands',
  'help.options': 'Options',
  'help.examples': 'Examples',
  'help.exit':
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 130 interrupted with Ctrl-C.',
  'help.environment':
    'Environment: NO_COLOR, FORCE_COLOR, LANG (messages in English or Chinese), MALIANG_DEBUG=1 (stack traces).',
  'help.tagline': 'Pictures from words, on your own machine.',
  'help.more': '`{program} <command> --help` says more about a command.',
  'command.generate': 'Draw a prompt; the word `generate` can be left out.',
  'command.again': 'Draw a picture again from what its file says.',
  'command.info': 'Say how a picture was made, whatever program made it.',
  'command.rank': 'Rank picture files by how well they fit a prompt.',
  'command.caption': 'Say in words what picture files show.',
  'command.evaluate': 'Compare made pictures with real ones: FID, KID, CMMD and others.',
  'command.models': 'List, show, download and remove models.',
  'command.train': 'Train a part of a model: autoencoder, clip, draft or diffusion.',
  'command.samplers': 'List samplers and schedules under all their names.',
  'command.doctor': 'Check the installation, the machine and the built-in model.',
  'about.generate':
    'Draws pictures and writes them as PNG files, by default into the current folder.\nPicture k of a batch uses seed S+k-1, so it can be made again alone.\nThe prompt may stand without quotes; put -- before one that starts with a dash or is a command.',
  'about.again':
    'Draws the picture of a file again: the same pixels with the same version, device and threads; otherwise it says what differs.\nOptions change what the file says; --seed +1 is the next seed. Files of other programs need --model.',
  'about.info':
    'Reads PNG, JPEG and WebP files of Maliang, AUTOMATIC1111, Forge, ComfyUI, InvokeAI, Fooocus, NovelAI and SwarmUI.\nSays the settings, the alt text, the machine-made mark, and what would not be followed when it is drawn again.',
  'about.rank':
    'Ranks PNG, JPEG and WebP files, best first, by the mean of the judges’ z-scores. Folders stand for the pictures in and below them.\nWithout --judge the built-in CLIP judges. Values compare pictures of one prompt only.\nFiles that cannot be read are named and left out.',
  'about.caption':
    'Writes a caption for each picture file with a BLIP captioning model, such as Salesforce/blip-image-captioning-base.\nFolders stand for the pictures in and below them. Files that cannot be read are named and left out.',
  'about.evaluate':
    'Compares two folders of pictures by the features of a network, and prints figures with 95 % intervals.\nMetrics: fid, kid, cmmd, pr (precision, recall, density, coverage), is (inception score), clip (CLIP score).\nfid and kid of papers need the Inception-v3 weights of FID as --features; docs/metrics.md says where from.',
  'about.models':
    'list: models in the cache, with size and last use. show: what a model is made of.\npull: download a model of the hub, or what is new of it; an interrupted download goes on.\nremove: delete a model from the cache. The cache is shared with other programs.\nEnvironment: HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE.',
  'about.train':
    'Trains from a JSON configuration and writes checkpoints, a loss log and sample sheets into a folder.\nCtrl-C saves a checkpoint first; --resume goes on from it.',
  'about.samplers':
    'Lists every sampler with the schedules it takes and its other names.\nA name for --sampler may end in a schedule, as in "DPM++ 2M Karras"; case does not matter.',
  'about.doctor':
    'Checks Node, the execution engine, threads, memory, disk, the built-in model and the data set.\nEnds with 1 when something that drawing needs is broken.',
  'option.seed':
    'seed of the first picture, at random when left out; again: also +1 or -1; evaluate: of subsets and resamples, default 0',
  'option.num': 'how many pictures, default 1',
  'option.best-of': 'draw N candidates, judge them and keep the best',
  'option.keep': 'how many of --best-of to keep, default 1',
  'option.judge':
    'who judges: clip, siglip, blip, aesthetic, as clip,blip=MODEL; default the built-in CLIP',
  'option.near-miss': 'what the picture must not fit better; may be given several times',
  'option.early': 'give up the weaker half of --best-of half-way, by their previews',
  'option.sheet': 'PNG file for all candidates of --best-of with their ranks',
  'option.captioner': 'BLIP captioning model: folder or id; in generate it writes the alt text',
  'option.begin': 'how the caption begins, such as "a photo of"',
  'option.beams': 'captions followed at a time, 1 (default, greedy) to 16',
  'option.steps': 'denoising steps, default as the model says',
  'option.guidance': 'how strictly to follow the prompt, default as the model says',
  'option.negative': 'what the picture should not show',
  'option.size': 'width and height in pixels, default as the model says',
  'option.init': 'picture to start from: PNG, JPEG or WebP',
  'option.strength': 'how much of it is drawn anew, 0 to 1, default as the model says',
  'option.mask':
    'picture that is white where --init is drawn anew, or `alpha`: its transparent parts',
  'option.mask-blur': 'softens the mask by so many pixels, default 0',
  'option.only-masked':
    'draws only what is around the mask, so many pixels wider, and puts it back',
  'option.vary':
    'pictures like this one: as --init with --strength 0.5 and --variation-strength 0.3',
  'option.variation-seed': 'seed the noise is turned towards; picture k uses N+k-1',
  'option.variation-strength': 'how far it is turned, 0 to 1, default 0',
  'option.sampler': 'sampler in place of the model’s; `{program} samplers` lists them',
  'option.schedule':
    'spacing of the noise levels, such as karras, or automatic as the webui pairs it',
  'option.clip-skip':
    'last layers of the text encoders left out, default 0 (the webui counts from 1)',
  'option.guidance-rescale': 'tames the contrast of high guidance, 0 to 1, default 0',
  'option.syntax':
    'a1111 (default) reads (word:1.3), [word], BREAK, AND and long prompts; plain reads as diffusers',
  'option.noise': 'whose random numbers: cpu (default, torch) or cuda (the webui’s NV)',
  'option.device': 'where to compute: cpu (default), cuda, webgpu, coreml or dml',
  'option.tile':
    'whether large pictures pass the autoencoder in bands: auto (default), never or always',
  'option.low-memory': 'least memory, slower: weights stay in their files, one component at a time',
  'option.precision': 'of linear layers: f32 (default, exact) or int8 (faster, not exact)',
  'option.fast':
    'faster and not exact: guidance in part of the steps, most of the UNet now and then',
  'option.preview-decoder': 'folder of a small decoder (TAESD); --fast draws the picture with it',
  'option.vae': 'folder or file of an autoencoder to use instead of the model’s own',
  'option.lora': 'LoRA file to add, with its weight; may be given several times',
  'option.embedding': 'textual inversion whose word the prompt may use; may be given several times',
  'option.prediction': 'what the model predicts, where its file does not say',
  'option.revision': 'branch, tag or commit of a model of the hub, default main',
  'option.variant': 'weights of a variant, such as fp16',
  'option.offline': 'download nothing',
  'option.yes': 'do not ask',
  'option.model':
    'folder in the diffusers layout, one safetensors file, or id such as owner/name; default the built-in one',
  'option.out':
    'a .png, .jpg or .webp file (replaced if it exists) or a folder; train: the run’s folder',
  'option.format': 'png (default), jpeg or webp',
  'option.quality': 'of JPEG and WebP, 1 to 100, default 90; or lossless for WebP',
  'option.metadata':
    'what the file says: full (default, all to draw it again), minimal (program and mark), mark (machine-made)',
  'option.alt':
    'what the picture shows, for those who cannot see it; default the prompt, said to be that',
  'option.json': 'print one JSON object on stdout and nothing else',
  'option.threads': 'threads to compute with, default all cores',
  'option.quiet': 'no progress and no preview; generate prints only the paths',
  'option.real': 'folder of real pictures: PNG, JPEG and WebP, also in folders below',
  'option.fake': 'folder of made pictures',
  'option.features':
    'Inception-v3 of FID as a safetensors file, or folder of a CLIP model; default the built-in CLIP',
  'option.metrics':
    'of fid, kid, cmmd, pr, is and clip; default all that the network and --prompts allow',
  'option.resize':
    'how pictures become square: clean (clean-fid), legacy (torch-fidelity) or clip; default as the network is used',
  'option.prompts':
    'texts of the made pictures, for clip: one a line in the order of names, or JSON by file name',
  'option.bootstrap': 'resamples behind each interval, default 100; 0 for none',
  'option.batch': 'pictures the network takes at a time, default 16',
  'option.config': 'JSON configuration of the training',
  'option.resume': 'go on from the checkpoint in the folder',
  'option.help': 'show help',
  'option.version': 'show the version',

  'error.label': 'error',
  'error.debug': 'Set MALIANG_DEBUG=1 to see where it happened, and report it.',
  'warning.label': 'warning',
  'note.stopping': 'Stopping; press Ctrl-C again to end at once.',
  'note.cancelled': 'Stopped.',
  'note.kept': 'Kept: {paths}',

  'generate.loading': 'loading the model',
  'generate.drawing': 'drawing',
  'generate.seed': 'seed {seed}',
  'generate.again': 'again: {command}',

  'again.same': 'The same pixels as {file}.',
  'again.other': 'Other pixels than {file}.',
  'again.unknown': 'Whether these are the pixels of {file} cannot be told.',
  'again.difference': '  {what}: {before} -> {now}',
  'again.nothing': '  Nothing that is written down differs; another processor may round otherwise.',

  'info.by': 'made by',
  'info.none': 'Nothing in the file says how it was made.',
  'info.prompt': 'prompt',
  'info.negative': 'negative',
  'info.settings': 'settings',
  'info.model': 'model',
  'info.vae': 'autoencoder',
  'info.lora': 'LoRA',
  'info.start': 'started from',
  'info.startPicture': 'a picture',
  'info.startMask': 'a picture and a mask',
  'info.alt': 'alt text',
  'info.description': 'description',
  'info.mark': 'mark',
  'info.machine': 'machine-made',
  'info.composite': 'machine-made from a picture',
  'info.c2pa': 'Content Credentials are there; they are not verified.',
  'info.ignored': 'not followed',
  'info.texts': 'texts',
  'info.more': '{text}… ({count} characters; --json has all)',
  'info.again': 'again: {command}',
  'rank.judging': 'judging',
  'rank.rank': 'rank',
  'rank.seed': 'seed',
  'rank.kept': 'kept',
  'rank.combined': 'combined',
  'rank.file': 'file',
  'rank.early': 'given up after step {step}',
  'caption.captioning': 'captioning',
  'caption.none': 'files none of which can be read',

  'evaluate.real': 'reading real pictures',
  'evaluate.fake': 'reading made pictures',
  'evaluate.metric': 'computing {metric}',
  'evaluate.figure': 'figure',
  'evaluate.value': 'value',
  'evaluate.interval': '95 % interval',
  'evaluate.samples': 'pictures',
  'evaluate.range': '{low} to {high}',
  'evaluate.network': 'Features: {kind}, {source}, {size} values, sha256 {hash}',
  'evaluate.resized': 'Resized to {side}x{side} by the rule {rule}.',

  'models.size': '{id}: {size} in {files} files, {missing} to download',
  'models.askPull': 'Download it? [Y/n] ',
  'models.askRemove': 'Remove {id} ({size}) from the cache? [y/N] ',
  'models.loading': 'downloading {id}',
  'models.pace': '{done} of {total}',
  'models.waiting': 'Another process is downloading {file}; waiting for it.',
  'models.pulled': '{id} is in {path}',
  'models.removed': 'Removed {id} ({size}).',
  'models.kept': 'Nothing was removed.',
  'models.loadedSoFar': 'What is loaded is kept; the next download goes on from there.',
  'models.cache': 'Cache: {folder}, {size} in all',
  'models.id': 'model',
  'models.bytes': 'size',
  'models.used': 'last used',
  'models.revisions': 'revisions',
  'models.part': 'part',
  'models.class': 'class',
  'models.numbers': 'values',
  'models.path': 'path',
  'models.licence': 'licence',
  'models.commit': 'commit',

  'progress.left': '{time} left',
  'time.seconds': '{s} s',
  'time.minutes': '{m} min {s} s',
  'time.hours': '{h} h {m} min',

  'train.start': 'training {objective} in {folder}',
  'train.step': 'step {step}/{total}',
  'train.rate': '{rate} images/s',
  'train.done': 'Done at step {step}; the run is in {folder}.',
  'train.was-done': 'No step was left to train; the run is in {folder}. Raise `steps` to train on.',
  'train.stopped': 'Stopped after step {step}; the checkpoint is in {folder}.',
  'train.resume': 'Go on with: {command}',

  'samplers.schedules': 'schedules: {names}',
  'samplers.also': 'also: {names}',
  'samplers.noise': 'draws fresh noise in every step',

  'doctor.ok': 'ok',
  'doctor.note': 'note',
  'doctor.broken': 'broken',
  'doctor.node': 'Node',
  'doctor.engine': 'engine',
  'doctor.threads': 'threads',
  'doctor.memory': 'memory',
  'doctor.disk': 'disk',
  'doctor.prepared': 'prepared weights',
  'doctor.model': 'model',
  'doctor.drawing': 'drawing',
  'doctor.data': 'data set',
  'doctor.terminal': 'terminal',
  'doctor.nodeBroken': '{version}; Maliang needs {floor} or newer. Install a current Node.',
  'doctor.engineRuns': 'ONNX Runtime {version} computes in a child process ({ms} ms to start)',
  'doctor.engineBroken': '{reason} Run `npm install` again, without --omit=optional.',
  'doctor.threadsAre': '{count} usable; --threads sets fewer',
  'doctor.memoryIs': '{free} free of {total}',
  'doctor.memoryLow': '{free} free of {total}; drawing needs about {need}',
  'doctor.preparedIs': '{size} in {count} files, {folder}',
  'doctor.preparedOff': 'off (MALIANG_PREPARED)',
  'doctor.diskIs': '{free} free in {folder}',
  'doctor.diskLow': '{free} free in {folder}; a picture may not fit',
  'doctor.builtIn': 'built-in',
  'doctor.modelIs': '{name}: {size} in {files} weight files',
  'doctor.sumsFit': 'all sums are right',
  'doctor.noSums': 'no {file} to compare with',
  'doctor.reinstall': 'The model belongs to the package: install Maliang again.',
  'doctor.draws': 'one step of a picture in {ms} ms, loading included',
  'doctor.dataIs': '{pictures} pictures of {concepts} concepts in {folder}',
  'doctor.dataAbsent': 'none in {folder}; only training needs it: {command}',
  'doctor.terminalIs': '{colour}, previews: {preview}, messages: {language}',
  'doctor.colour': 'colour',
  'doctor.noColour': 'no colour',
  'doctor.noPreview': 'none',
  'doctor.halfBlocks': 'half blocks',
  'doctor.sound': 'All is well. Try: {command}',
  'doctor.unsound': 'Something is broken; see the lines above.',
} as const;

export type MessageKey = keyof typeof english;
export type Catalogue = Readonly<Record<MessageKey, string>>;
export type Language = 'en' | 'zh';

/** A message with its values filled in. */
export type Say = (key: MessageKey, values?: Readonly<Record<string, string | number>>) => string;

/** Chinese when the locale says so; POSIX order: LC_ALL, LC_MESSAGES, LANG. */
export function languageOf(env: NodeJS.ProcessEnv): Language {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || '';
  return /^zh\b|^zh[_-]/i.test(locale) ? 'zh' : 'en';
}

function catalogueOf(language: Language): Catalogue {
  return language === 'zh' ? chinese : english;
}

/** Speaks one language; `{program}` is how the command was called. */
export function sayIn(language: Language, program: string): Say {
  const catalogue = catalogueOf(language);
  return (key, values = {}) =>
    catalogue[key].replace(/\{(\w+)\}/g, (slot, name: string) =>
      name === 'program' ? program : String(values[name] ?? slot),
    );
}
