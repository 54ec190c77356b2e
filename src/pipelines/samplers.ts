/** @file The samplers a pipeline takes, for those who list them. */
export { listSamplers, type SamplerListing } from '../schedulers/names.js';
