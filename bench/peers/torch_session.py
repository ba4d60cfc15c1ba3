"""The LaCT language model a token at a time in PyTorch: a cache of the window's keys and values, and
fast weights that are written whenever a chunk is whole."""
import torch
import torch.nn.functional as F

import fast_weight_oracle as oracle
import torch_language_model as model


def rotary_at(x, position, base):
    """x: [batch, 1, heads, dim] at one position."""
    half = x.shape[3] // 2
    frequencies = base ** (-torch.arange(half, dtype=torch.float64) / half)
    angles = position * frequencies
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=3)


class LayerMemory:
    def __init__(self, p, prefix, batch):
        self.live = [p[prefix + name].repeat(batch, 1, 1) for name in ("w0", "w1", "w2")]
        self.norms = [w.norm(dim=2, keepdim=True) for w in self.live]
        self.momenta = [torch.zeros_like(w) for w in self.live]
        self.k = self.v = None
        self.pending = []


class Session:
    """step(ids [batch]) -> logits [batch, vocabSize] of the next token."""

    def __init__(self, parameters, config, compile):
        self.p, self.config = parameters, config
        self.position = 0
        self.memories = None
        self.write = compile(self.written)
        self.read = compile(oracle.swiglu)

    def written(self, weights, norms, momenta, k, v, rates, momentum):
        """One update on a whole chunk: new weights and momenta."""
        steps = oracle.update_gradients(*weights, k, v, *rates)
        if momentum is not None:
            beta = momentum.mean(dim=1, keepdim=True)
            momenta = [step + beta * m for step, m in zip(steps, momenta)]
            steps = momenta
        if self.config["useMuon"]:
            coefficients = oracle.NS_COEFFICIENTS[self.config["newtonSchulz"]]
            steps = [oracle.newton_schulz(step, coefficients) for step in steps]
        sums = [w + step for w, step in zip(weights, steps)]
        live = [w / (w.norm(dim=2, keepdim=True) + 1e-5) * n for w, n in zip(sums, norms)]
        return live, list(momenta)

    def attend(self, memory, q, k, v):
        memory.k = k if memory.k is None else torch.cat([memory.k, k], dim=1)
        memory.v = v if memory.v is None else torch.cat([memory.v, v], dim=1)
        window = self.config["windowSize"]
        if window > 0:
            memory.k, memory.v = memory.k[:, -window:], memory.v[:, -window:]
        q, k, v = (x.transpose(1, 2) for x in (q, memory.k, memory.v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)

    def layer(self, prefix, x, memory):
        p, config = self.p, self.config
        heads, fast = config["numAttnHeads"], config["numLactHeads"]
        get = lambda name: p[prefix + name]
        per_head = lambda name: model.to_rows(
            F.linear(x, get(name + ".weight"), get(name + ".bias")), fast)
        q, k, v = F.linear(x, get("qkv.weight")).chunk(3, dim=2)
        turned = lambda y: rotary_at(model.split(y, heads), self.position, config["ropeTheta"])
        attended = model.join(self.attend(memory, turned(q), turned(k), model.split(v, heads)))

        def query_or_key(y, column):
            y = F.silu(y * get("qk_scale")[:, column] + get("qk_offset")[:, column])
            rows = model.to_rows(y, fast)
            rows = rows / (rows.norm(dim=2, keepdim=True) + 1e-5)
            return model.to_rows(model.join(turned(model.from_rows(rows, fast))), fast)

        rates = F.softplus(per_head("lr_proj") + model.INVERSE_BASE_STEP_SIZE)
        momentum = torch.sigmoid(per_head("momentum_proj.0")) if config["useMomentum"] else None
        out = self.read(*memory.live, query_or_key(q, 0))
        memory.pending.append((query_or_key(k, 1), model.to_rows(F.silu(v), fast), rates, momentum))
        if len(memory.pending) == config["lactChunkSize"]:
            k, v, rates, momentum = (
                None if column[0] is None else torch.cat(column, dim=1)
                for column in zip(*memory.pending))
            memory.live, memory.momenta = self.write(
                memory.live, memory.norms, memory.momenta, k, v, rates.split(1, dim=2), momentum)
            memory.pending = []
        out = model.rms_norm(out, get("ttt_norm.weight"), model.LAYER_EPSILON)
        out = out * F.silu(per_head("ttt_scale_proj"))
        return F.linear(attended + model.from_rows(out, fast), get("o_proj.weight"))

    def step(self, ids):
        p, config = self.p, self.config
        prefixes = [f"layers.{index}." for index in range(config["numHiddenLayers"])]
        if self.memories is None:
            self.memories = [LayerMemory(p, prefix + "attn.", len(ids)) for prefix in prefixes]
        x = F.embedding(ids, p["embeddings.weight"])[:, None]
        for prefix, memory in zip(prefixes, self.memories):
            y = model.rms_norm(x, p[prefix + "attn_norm.weight"], config["normEps"])
            x = x + self.layer(prefix + "attn.", y, memory)
            y = model.rms_norm(x, p[prefix + "mlp_norm.weight"], config["normEps"])
            gate = F.silu(F.linear(y, p[prefix + "mlp.gate_proj.weight"]))
            up = F.linear(y, p[prefix + "mlp.up_proj.weight"])
            x = x + F.linear(gate * up, p[prefix + "mlp.down_proj.weight"])
        self.position += 1
        x = model.rms_norm(x, p["norm.weight"], config["normEps"])
        return F.linear(x, p["lm_head.weight"])[:, 0]
