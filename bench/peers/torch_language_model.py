"""The LaCT language model (arXiv 2505.23884, section 4.2) in PyTorch, written from its equations.

Parameters are a dict by published name; a config has the names of the published config.json, in
camel case. Settings that the benchmark's model does not use are refused.
"""
import math

import torch
import torch.nn.functional as F

import fast_weight_oracle as oracle

LAYER_EPSILON = 1e-5
BASE_STEP_SIZE = 0.001
INVERSE_BASE_STEP_SIZE = BASE_STEP_SIZE + math.log(-math.expm1(-BASE_STEP_SIZE))
UNSUPPORTED = {"qkvBias": False, "attnQkNorm": False, "qkvSilu": True, "noVSilu": False,
               "tttNope": False, "tttPrenorm": False, "learnableTttScale": True,
               "tieWordEmbeddings": False, "w0w2LowRank": -1}


def rms_norm(x, weight, epsilon):
    return F.rms_norm(x, (x.shape[-1],), weight, epsilon)


def rotary(x, base):
    """x: [batch, tokens, heads, dim], half-split pairs."""
    half = x.shape[3] // 2
    frequencies = base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * frequencies
    cos, sin = (table.to(x.dtype)[None, :, None] for table in (angles.cos(), angles.sin()))
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=3)


def attention(q, k, v, window):
    """q, k, v: [batch, tokens, heads, dim]; a token sees itself and the window - 1 before it."""
    tokens = q.shape[1]
    distance = torch.arange(tokens)[:, None] - torch.arange(tokens)
    mask = (distance >= 0) & (distance < window) if window > 0 else distance >= 0
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)


def to_rows(x, heads):
    """[batch, tokens, heads * dim] -> [batch * heads, tokens, dim]"""
    batch, tokens, width = x.shape
    return x.reshape(batch, tokens, heads, width // heads).transpose(1, 2).reshape(
        batch * heads, tokens, width // heads)


def from_rows(x, heads):
    rows, tokens, dim = x.shape
    return x.reshape(rows // heads, heads, tokens, dim).transpose(1, 2).reshape(
        rows // heads, tokens, heads * dim)


def split(x, heads):
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads)


def join(x):
    return x.reshape(*x.shape[:2], x.shape[2] * x.shape[3])


def layer(p, prefix, x, config):
    """Sliding-window attention and fast weights on the same q, k and v."""
    heads, fast = config["numAttnHeads"], config["numLactHeads"]
    get = lambda name: p[prefix + name]
    per_head = lambda name: to_rows(F.linear(x, get(name + ".weight"), get(name + ".bias")), fast)
    q, k, v = F.linear(x, get("qkv.weight")).chunk(3, dim=2)
    turned = lambda y: rotary(split(y, heads), config["ropeTheta"])
    attended = join(attention(turned(q), turned(k), split(v, heads), config["windowSize"]))

    def query_or_key(y, column):
        y = F.silu(y * get("qk_scale")[:, column] + get("qk_offset")[:, column])
        rows = to_rows(y, fast)
        rows = rows / (rows.norm(dim=2, keepdim=True) + 1e-5)
        return to_rows(join(rotary(split(from_rows(rows, fast), heads), config["ropeTheta"])), fast)

    rates = F.softplus(per_head("lr_proj") + INVERSE_BASE_STEP_SIZE).split(1, dim=2)
    momentum = torch.sigmoid(per_head("momentum_proj.0")) if config["useMomentum"] else None
    weights = tuple(get(name).repeat(x.shape[0], 1, 1) for name in ("w0", "w1", "w2"))
    out, _, _, _ = oracle.run(
        oracle.causal_program(x.shape[1], config["lactChunkSize"]), weights, query_or_key(q, 0),
        query_or_key(k, 1), to_rows(F.silu(v), fast), rates, momentum,
        config["newtonSchulz"] if config["useMuon"] else None)
    out = rms_norm(out, get("ttt_norm.weight"), LAYER_EPSILON) * F.silu(per_head("ttt_scale_proj"))
    return F.linear(attended + from_rows(out, fast), get("o_proj.weight"))


def logits(p, ids, config, last=False):
    """[batch, tokens] -> [batch, tokens, vocabSize], of the last token alone if `last`"""
    for name, value in UNSUPPORTED.items():
        if config[name] != value:
            raise ValueError(f"Expected {value} for {name} but got {config[name]}")
    x = F.embedding(ids, p["embeddings.weight"])
    for index in range(config["numHiddenLayers"]):
        prefix = f"layers.{index}."
        y = rms_norm(x, p[prefix + "attn_norm.weight"], config["normEps"])
        x = x + layer(p, prefix + "attn.", y, config)
        y = rms_norm(x, p[prefix + "mlp_norm.weight"], config["normEps"])
        gate = F.silu(F.linear(y, p[prefix + "mlp.gate_proj.weight"]))
        up = F.linear(y, p[prefix + "mlp.up_proj.weight"])
        x = x + F.linear(gate * up, p[prefix + "mlp.down_proj.weight"])
    x = x[:, -1:] if last else x
    return F.linear(rms_norm(x, p["norm.weight"], config["normEps"]), p["lm_head.weight"])


def loss(p, ids, labels, config):
    y = logits(p, ids, config)
    return F.cross_entropy(y.reshape(-1, y.shape[2]), labels.reshape(-1).long())
