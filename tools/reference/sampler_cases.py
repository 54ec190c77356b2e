"""Factors of every sampler class: configuration keys (in groups where they belong together) and options of a run.

A value is a dictionary of configuration keys; names that begin with "run." hold options of the run.
"""

import diffusers as d

SD1 = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
TRAINING = [
    {}, SD1, dict(beta_schedule="squaredcos_cap_v2"), dict(num_train_timesteps=200, beta_end=0.05),
    dict(num_train_timesteps=40, trained_betas=[0.01 * (i + 1) for i in range(40)]),
]
SPACING = [{}, *(dict(timestep_spacing=s) for s in ("linspace", "leading", "trailing"))]
RESPACING = [{}, *({f"use_{name}_sigmas": True} for name in ("karras", "exponential", "beta"))]
ENDS = [{}, dict(sigma_min=0.1, sigma_max=9.0)]


def key(name, *values):
    return {name: [{name: value} for value in values]}


def prediction(*extra):
    return key("prediction_type", "epsilon", "v_prediction", *extra)


def run(name, *values):
    return {f"run.{name}": [{f"run.{name}": value} for value in values]}


STEPS = run("steps", 1, 2, 5, 8, 16)
START = run("start", 0, 0.4)
CHURN = run("churn", None, dict(amount=2.0), dict(amount=30.0, least=0.5, largest=5.0, noiseScale=0.9))
RANGE = {"range": [
    {}, dict(thresholding=True, sample_max_value=1.5, dynamic_thresholding_ratio=0.9),
]}
CLIP = {"range": RANGE["range"] + [dict(clip_sample=True, clip_sample_range=0.8), dict(clip_sample=False)]}
OFFSET = key("steps_offset", 0, 1)
ZERO_SNR = key("rescale_betas_zero_snr", False, True)
FINAL = key("final_sigmas_type", "zero", "sigma_min")
FLOW = {"flow": [
    {}, dict(use_flow_sigmas=True, prediction_type="flow_prediction"),
    dict(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0),
    dict(use_flow_sigmas=True, prediction_type="flow_prediction", use_dynamic_shifting=True, imageTokens=1024),
]}
SIGMA = {"training": TRAINING, "spacing": SPACING, "respacing": RESPACING, "ends": ENDS, **OFFSET, **STEPS, **START}
VP = {**SIGMA, **prediction("sample"), **RANGE, **FLOW, **key("solver_order", 1, 2, 3)}
DPM = {
    **VP, **FINAL, **key("solver_type", "midpoint", "heun", "bh2"), **key("lower_order_final", True, False),
    "clipped": [{}, dict(lambda_min_clipped=-5.1)],
    "variance": [{}, dict(variance_type="learned_range")],
}


def without(factors, *names):
    return {name: values for name, values in factors.items() if name not in names}


FACTORS = {
    d.DDIMScheduler: {
        "training": TRAINING, "spacing": SPACING, **prediction("sample"), **CLIP, **OFFSET, **ZERO_SNR,
        **key("set_alpha_to_one", True, False), **run("eta", 0.0, 0.6, 1.0), **STEPS, **START,
        **run("useClippedOutput", False, True),
    },
    d.DDPMScheduler: {
        "training": TRAINING + [dict(beta_schedule="sigmoid"), dict(beta_schedule="laplace")],
        "spacing": SPACING, **prediction("sample"), **CLIP, **OFFSET, **ZERO_SNR, **STEPS, **START,
        **key("variance_type", "fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"),
        **run("timesteps", None, [901, 640, 200, 33]),
    },
    d.PNDMScheduler: {
        "training": TRAINING, "spacing": SPACING, **prediction(), **OFFSET, **key("skip_prk_steps", True, False),
        **key("set_alpha_to_one", True, False), **STEPS, **START,
    },
    d.LMSDiscreteScheduler: {**SIGMA, **prediction("sample")},
    d.EulerDiscreteScheduler: {
        **SIGMA, **prediction("sample"), **key("interpolation_type", "linear", "log_linear"),
        **key("timestep_type", "discrete", "continuous"), **ZERO_SNR, **FINAL, **CHURN,
        **run("timesteps", None, [901, 640, 200, 33]), **run("sigmas", None, [12.5, 4.0, 1.25, 0.3, 0.0]),
    },
    d.HeunDiscreteScheduler: {
        **SIGMA, "training": TRAINING + [dict(beta_schedule="exp")], **prediction("sample"),
        "range": [{}, dict(clip_sample=True, clip_sample_range=2.5)], **run("timesteps", None, [901, 640, 200, 33]),
    },
    d.EulerAncestralDiscreteScheduler: {
        **without(SIGMA, "respacing", "ends"), **prediction(), **ZERO_SNR,
    },
    d.KDPM2DiscreteScheduler: {**SIGMA, **prediction()},
    d.KDPM2AncestralDiscreteScheduler: {**SIGMA, **prediction()},
    d.DPMSolverSDEScheduler: {
        **SIGMA, **prediction(), **key("noise_sampler_seed", 5, 2**40 + 3, [7, 9]),
        **run("churn", None, dict(noiseScale=0.9)),
    },
    d.DPMSolverMultistepScheduler: {
        **DPM, **key("algorithm_type", "dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"),
        **key("euler_at_final", False, True), **key("use_lu_lambdas", False, True), **ZERO_SNR,
        **run("timesteps", None, [901, 640, 200, 33]),
    },
    d.DPMSolverSinglestepScheduler: {
        **without(DPM, "spacing", "steps_offset"),
        **key("algorithm_type", "dpmsolver++", "sde-dpmsolver++", "dpmsolver"),
        **run("timesteps", None, [901, 640, 200, 33]),
    },
    d.DEISMultistepScheduler: {
        **VP, **key("lower_order_final", True, False), **key("algorithm_type", "deis", "dpmsolver++"),
        **key("solver_type", "logrho", "midpoint"),
    },
    d.UniPCMultistepScheduler: {
        **VP, **FINAL, **key("solver_type", "bh1", "bh2", "midpoint"), **key("lower_order_final", True, False),
        **key("predict_x0", True, False), **key("disable_corrector", [], [0], [1, 3]), **ZERO_SNR,
        "flow": FLOW["flow"] + [
            dict(use_flow_sigmas=True, prediction_type="flow_prediction", shift_terminal=0.1),
            dict(use_flow_sigmas=True, prediction_type="flow_prediction", time_shift_type="linear",
                 use_dynamic_shifting=True, imageTokens=700),
        ],
        **run("sigmas", None, [0.95, 0.7, 0.35, 0.1]),
    },
    d.EDMEulerScheduler: {
        **key("sigma_min", 0.002, 0.02), **key("sigma_max", 80.0, 10.0), **key("sigma_data", 0.5, 1.0),
        **key("sigma_schedule", "karras", "exponential"), **key("rho", 7.0, 5.0), **prediction(), **FINAL,
        **STEPS, **START, **CHURN,
    },
    d.LCMScheduler: {
        "training": TRAINING[:4], **prediction("sample"), **CLIP, **ZERO_SNR,
        **key("original_inference_steps", 50, 20), **key("timestep_scaling", 10.0, 0.5), **STEPS, **START,
        **run("timesteps", None, [799, 519, 199]), **run("originalSteps", None, 25),
    },
    d.TCDScheduler: {
        "training": TRAINING[:4], **prediction("sample"), **ZERO_SNR, **key("original_inference_steps", 50, 20),
        **STEPS, **START, **run("eta", 0.0, 0.3, 1.0), **run("timesteps", None, [799, 519, 199]),
        **run("originalSteps", None, 40),
    },
    d.FlowMatchEulerDiscreteScheduler: {
        **key("num_train_timesteps", 1000, 300), **key("shift", 1.0, 3.0), "respacing": RESPACING,
        "ends": [{}, dict(sigma_min=0.05, sigma_max=0.9)], **key("shift_terminal", None, 0.1),
        "dynamic": [{}, dict(use_dynamic_shifting=True, imageTokens=900),
                    dict(use_dynamic_shifting=True, time_shift_type="linear", base_shift=0.6, imageTokens=900)],
        **key("invert_sigmas", False, True), **key("stochastic_sampling", False, True), **STEPS, **START,
        **run("sigmas", None, [0.95, 0.7, 0.35, 0.1]),
    },
    d.FlowMatchHeunDiscreteScheduler: {
        **key("num_train_timesteps", 1000, 300), **key("shift", 1.0, 3.0), **STEPS, **START, **CHURN,
    },
}


def differs(scheduler_class, config, options):
    """What Maliang refuses although diffusers draws something, or does otherwise; see the README of the fixtures."""
    name = scheduler_class.__name__
    respaced = [k for k in ("karras", "exponential", "beta") if config.get(f"use_{k}_sigmas")]
    train = config.get("num_train_timesteps", 1000)
    if config.get("use_flow_sigmas"):
        if config.get("use_lu_lambdas") or "timesteps" in options:
            return True
        if respaced and (name != "UniPCMultistepScheduler" or respaced != ["karras"] or "sigmas" in options):
            return True
    if any(t >= train for t in options.get("timesteps", [])):
        return True
    if config.get("algorithm_type") == "sde-dpmsolver" and config.get("solver_order") == 3:
        return True
    if name == "UniPCMultistepScheduler":
        ends_at_zero = config.get("final_sigmas_type", "zero") == "zero"
        if "sigmas" in options and not config.get("use_flow_sigmas"):
            return True
        if ends_at_zero and (config.get("solver_type") == "bh1" or not config.get("lower_order_final", True)):
            return True
    if options["steps"] > train:
        return True
    return config.get("rescale_betas_zero_snr") and config.get("prediction_type") == "epsilon" and name == "TCDScheduler"
