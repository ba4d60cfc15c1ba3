"""An operation that is ready to run: results to compare, and one repetition to time."""
import torch


class Prepared:
    """`results` gives named tensors; `run` does one repetition and keeps nothing."""

    def __init__(self, results, run=None):
        self.results = results
        self.run = run or results


def gradients_of(function, names, inputs, cotangent):
    """The output of `function`; with a cotangent the gradients of every input."""
    values = [inputs[name] for name in names]
    if cotangent is None:
        def forward():
            with torch.no_grad():
                return {"output": function(*values)}
        return Prepared(forward)
    for value in values:
        value.requires_grad_()

    def both():
        output = function(*values)
        gradients = torch.autograd.grad(output, values, cotangent.to(output.dtype))
        return {f"gradient.{name}": value for name, value in zip(names, gradients)}
    return Prepared(both)
