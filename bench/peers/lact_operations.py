"""The published implementation of LaCT (github.com/a1600012888/LaCT), imported from a clone of it:
its PyTorch functions, which compile themselves, and its fused Triton kernels."""
import importlib
import os
import sys

from prepared import gradients_of

root, fused_kernels = None, False


def use(path, fused):
    """Takes the implementation from the repository at `path`; `fused`: its Triton kernels."""
    global root, fused_kernels
    root, fused_kernels = path, fused
    for folder in (os.path.join("lact_llm", "lact_model"), "lact_nvs"):
        if not os.path.isdir(os.path.join(path, folder)):
            raise FileNotFoundError(f"Expected the folder {folder} in {path} but found none")


def module(folder, name):
    """A file of the repository as a module: its packages import far more than a scan needs."""
    place = os.path.join(root, folder)
    if place not in sys.path:
        sys.path.insert(0, place)
    return importlib.import_module(name)


def prepare(task, inputs, dtype):
    return globals()["prepare_" + task["operation"]](task, inputs, dtype)


def prepare_newtonSchulz(task, inputs, _dtype):
    if fused_kernels:
        raise ValueError("its Newton-Schulz has no fused kernel")
    if task["schedule"] == "you5":
        iterate = module("lact_llm/lact_model", "ttt_operation").zeropower_via_newtonschulz5
        return gradients_of(iterate, ["d"], inputs, None)
    if not task["schedule"].startswith("keller"):
        raise ValueError(f"it has no schedule {task['schedule']}")
    iterate = module("lact_nvs", "lact_ttt").zeropower_via_newtonschulz5
    steps = int(task["schedule"][len("keller"):])
    return gradients_of(lambda d: iterate(d, steps), ["d"], inputs, None)


def causal_chunk(program):
    """The chunk of a shifted block-causal program; None for any other."""
    chunk, tokens = program[0]["end"], program[-1]["end"]
    steps, start = [], 0
    while start + chunk < tokens:
        steps += [("apply", start, start + chunk), ("update", start, start + chunk)]
        start += chunk
    steps.append(("apply", start, tokens))
    given = [(step["kind"], step["start"], step["end"]) for step in program]
    return chunk if steps == given else None


def set_tokens(program):
    """The tokens of a program that updates with all and applies to all; None for any other."""
    end = program[0]["end"]
    given = [(step["kind"], step["start"], step["end"]) for step in program]
    return end if given == [("update", 0, end), ("apply", 0, end)] else None


def prepare_scan(task, inputs, dtype):
    """Queries, keys and values in `dtype`, weights and step sizes in float32, as its models have them."""
    cotangent = inputs.pop("cotangent", None)
    for name in ("q", "k", "v"):
        inputs[name] = inputs[name].to(dtype)
    if causal_chunk(task["program"]) is not None:
        scan = causal_scan(task)
    elif set_tokens(task["program"]) is not None:
        scan = view_scan(task, "momentum" in inputs)
    else:
        raise ValueError("it has no such program")
    names = [name for name in ("q", "k", "v", "rates", "momentum", "w0", "w1", "w2") if name in inputs]
    return gradients_of(lambda *values: scan(dict(zip(names, values))), names, inputs, cotangent)


def causal_scan(task):
    options, chunk = task["options"], causal_chunk(task["program"])
    muon = options["optimizer"] == "muon"
    if options["weightNorm"] != "post" or (muon and options["newtonSchulz"] != "you5"):
        raise ValueError("it has no such options")
    if fused_kernels:
        if muon:
            raise ValueError("its fused Muon takes w0 and w2 as one matrix: other results")
        name = "ttt_operation_fused_kernel"
        run = module("lact_llm/lact_model", name).postnorm_block_causal_lact_swiglu_fused_kernel_triton
    else:
        run = module("lact_llm/lact_model", "ttt_operation").block_causal_lact_swiglu

    def scan(x):
        lr0, lr1, lr2 = x["rates"].split(1, dim=2)
        return run(x["w0"], x["w1"], x["w2"], x["q"], x["k"], x["v"], lr0, lr1, lr2,
                   chunk_size=chunk, use_muon=muon, momentum=x.get("momentum"))
    return scan


def view_scan(task, has_momentum):
    import torch
    options = task["options"]
    if fused_kernels:
        raise ValueError("its view synthesis has no fused kernel")
    if options["optimizer"] != "muon" or not options.get("detachNorm") or has_momentum:
        raise ValueError("it has no such options")
    steps = int(options["newtonSchulz"][len("keller"):])
    program = module("lact_nvs", "lact_ttt")
    step = program.TTTOperator(0, set_tokens(task["program"]), True, True)
    autocast = torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_available())

    def scan(x):
        lr0, lr1, lr2 = x["rates"].split(1, dim=2)
        w0, w1, w2 = (x[name].transpose(1, 2) for name in ("w0", "w1", "w2"))
        with autocast:
            return program.fast_weight_swish_glu_weight_norm_mini_batch_apply(
                w0, w1, w2, x["q"], x["k"], x["v"], lr0, lr1, lr2, [step], muon_update_steps=steps)[0]
    return scan
