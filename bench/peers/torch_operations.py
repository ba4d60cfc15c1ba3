"""The benchmark's operations in PyTorch: results to compare, and one repetition to time."""
import torch

import fast_weight_oracle as oracle
import torch_language_model as model
import torch_session
from prepared import Prepared, gradients_of


def prepare(task, inputs, compile):
    """`compile` is torch.compile, or what leaves a function as it is."""
    return globals()["prepare_" + task["operation"]](task, inputs, compile)


def prepare_matMul(task, inputs, compile):
    a, b = inputs["a"], inputs["b"]
    a = a.transpose(1, 2) if task["transposeA"] else a
    b = b.transpose(1, 2) if task["transposeB"] else b
    return gradients_of(compile(torch.matmul), ["a", "b"], {"a": a, "b": b}, None)


def prepare_newtonSchulz(task, inputs, compile):
    coefficients = oracle.NS_COEFFICIENTS[task["schedule"]]
    return gradients_of(compile(lambda d: oracle.newton_schulz(d, coefficients)), ["d"], inputs, None)


def prepare_scan(task, inputs, compile):
    options = task["options"]
    program = [(step["kind"], step["start"], step["end"]) for step in task["program"]]
    muon = options["newtonSchulz"] if options["optimizer"] == "muon" else None

    def scan(q, k, v, rates, momentum, w0, w1, w2):
        return oracle.run(program, (w0, w1, w2), q, k, v, rates.split(1, dim=2), momentum, muon,
                          norm=options["weightNorm"])[0]
    cotangent = inputs.pop("cotangent", None)
    names = ["q", "k", "v", "rates", "momentum", "w0", "w1", "w2"]
    return gradients_of(compile(scan), names, inputs, cotangent)


def prepare_attention(task, inputs, compile):
    cotangent = inputs.pop("cotangent", None)
    attend = compile(lambda q, k, v: model.attention(q, k, v, task["window"]))
    return gradients_of(attend, ["q", "k", "v"], inputs, cotangent)


def parameters_of(inputs):
    prefix = "parameters."
    return {name[len(prefix):]: value for name, value in inputs.items() if name.startswith(prefix)}


def prepare_prefill(task, inputs, compile):
    parameters = parameters_of(inputs)
    forward = compile(lambda p, ids: model.logits(p, ids, task["config"]))
    return gradients_of(lambda ids: forward(parameters, ids), ["ids"], inputs, None)


def prepare_trainStep(task, inputs, compile):
    parameters = {name: value.requires_grad_() for name, value in parameters_of(inputs).items()}
    ids, labels = inputs["ids"], inputs["labels"]
    loss_of = compile(lambda p, ids, labels: model.loss(p, ids, labels, task["config"]))
    optimizer = torch.optim.Adam(parameters.values(), lr=1e-4, betas=(0.9, 0.999), eps=1e-8)

    def results():
        loss = loss_of(parameters, ids, labels)
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        named = {f"gradient.{name}": value for name, value in zip(parameters, gradients)}
        return {"loss": loss, **named}

    def step():
        optimizer.zero_grad()
        loss_of(parameters, ids, labels).backward()
        optimizer.step()
    return Prepared(results, step)


COMPARED_STEPS = 40  # as bench/worker/operations.ts has it


def prepare_readPrompt(task, inputs, compile):
    parameters, ids = parameters_of(inputs), inputs["ids"]

    read = compile(lambda p, ids: model.logits(p, ids, task["config"], last=True)[:, -1])
    return gradients_of(lambda ids: read(parameters, ids), ["ids"], {"ids": ids}, None)


def prepare_decode(task, inputs, compile):
    parameters, ids = parameters_of(inputs), inputs["ids"]
    session = torch_session.Session(parameters, task["config"], compile)
    with torch.no_grad():
        for at in range(ids.shape[1]):
            session.step(ids[:, at])
    steps = 0

    def step():
        nonlocal steps
        with torch.no_grad():
            output = session.step(ids[:, steps % ids.shape[1]])
        steps += 1
        return output

    def results():
        for _ in range(COMPARED_STEPS):
            output = step()
        return {"output": output}
    return Prepared(results, step)
