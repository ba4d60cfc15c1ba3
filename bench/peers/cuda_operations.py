"""PyTorch's own operations on a GPU: cuBLAS's products, and attention."""
import torch
import torch.nn.functional as F

from prepared import gradients_of


def prepare(task, inputs, dtype):
    return globals()["prepare_" + task["operation"]](task, inputs, dtype)


def prepare_double(_task, inputs, _dtype):
    return gradients_of(lambda x: x + x, ["x"], inputs, None)


def prepare_matMul(task, inputs, dtype):
    a, b = inputs["a"].to(dtype), inputs["b"].to(dtype)
    a = a.transpose(1, 2) if task["transposeA"] else a
    b = b.transpose(1, 2) if task["transposeB"] else b
    return gradients_of(torch.matmul, ["a", "b"], {"a": a, "b": b}, None)


def window_attention(window):
    """Attention of q, k, v [batch, tokens, heads, dim] in which a token sees itself and the
    window - 1 before it: by flash-attn where it is installed, else by PyTorch's flex_attention, else,
    without a GPU, with a mask."""
    def masked(q, k, v):
        at = torch.arange(q.shape[1], device=q.device)
        distance = at[:, None] - at
        mask = (distance >= 0) & (distance < window)
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2)
    if not torch.cuda.is_available():
        return masked
    try:
        from flash_attn import flash_attn_func
        return lambda q, k, v: flash_attn_func(q, k, v, causal=True, window_size=(window - 1, 0))
    except ImportError:
        pass
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention
    attend = torch.compile(flex_attention)
    masks = {}

    def flex(q, k, v):
        tokens = q.shape[1]
        if tokens not in masks:
            def seen(_batch, _head, i, j):
                return (i >= j) & (i - j < window)
            masks[tokens] = create_block_mask(seen, None, None, tokens, tokens, device="cuda")
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        return attend(q, k, v, block_mask=masks[tokens]).transpose(1, 2)
    return flex


def prepare_attention(task, inputs, dtype):
    cotangent = inputs.pop("cotangent", None)
    values = {name: value.to(dtype) for name, value in inputs.items()}
    tokens = values["q"].shape[1]
    window = task["window"] if task["window"] > 0 else tokens
    return gradients_of(window_attention(window), ["q", "k", "v"], values, cotangent)
