"""Torch's fused attention against attention by blocks of queries, forward and with the gradient: what decided
docs/adr/0014. One core; torch 2.7.1."""
import time

import torch

torch.set_num_threads(1)
SCALE = 0.125


def milliseconds(work, calls=10, rounds=4):
    work()
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        best = min(best, (time.perf_counter() - start) / calls)
    return best * 1e3


def fused(q, k, v):
    b, t, heads, d = q.shape
    group = heads // k.size(2)
    k, v = (x.unsqueeze(3).expand(b, t, x.size(2), group, d).reshape(b, t, heads, d).transpose(1, 2) for x in (k, v))
    out = torch.nn.functional.scaled_dot_product_attention(q.transpose(1, 2), k, v, is_causal=True, scale=SCALE)
    return out.transpose(1, 2).reshape(b * t, heads * d)


def blocked(q, k, v, masks, size):
    b, t, heads, d = q.shape
    kv = k.size(2)
    k = k.transpose(1, 2).reshape(b * kv, t, d).transpose(1, 2)
    v = v.transpose(1, 2).reshape(b * kv, t, d)
    out = []
    for part, mask in zip(q.split(size, 1), masks):
        rows = part.reshape(b, size, kv, -1, d).permute(0, 2, 3, 1, 4).reshape(b * kv, -1, d)
        scores = torch.baddbmm(mask, rows, k[:, :, : mask.size(2)], alpha=SCALE)
        attended = torch.bmm(torch.softmax(scores, -1), v[:, : mask.size(2)])
        out.append(attended.view(b, kv, -1, size, d).permute(0, 3, 1, 2, 4))
    return torch.cat(out, 1).reshape(b * t, heads * d)


for b, t in (8, 64), (4, 128), (2, 256), (1, 512):
    heads, kv, d = 9, 3, 64
    size = max(64, t // 4)
    for dtype in torch.float32, torch.bfloat16:
        q, k, v = (torch.randn(b, t, h, d).to(dtype).requires_grad_() for h in (heads, kv, kv))
        gradient = torch.randn(b * t, heads * d).to(dtype)
        causal = torch.full((t, t), float("-inf")).triu(1).to(dtype)
        masks = [causal[i : i + size, : i + size].repeat(heads // kv, 1).unsqueeze(0) for i in range(0, t, size)]
        ways = {"fused": lambda: fused(q, k, v), "blocks": lambda: blocked(q, k, v, masks, size)}
        figures = []
        for name, way in ways.items():
            with torch.no_grad():
                forward = milliseconds(way)
            both = milliseconds(lambda: torch.autograd.grad(way(), (q, k, v), gradient))
            figures.append(f"{name} {forward:.2f}, with gradient {both:.2f} ms")
        print(f"{b} x {t} tokens, {str(dtype)[6:]}: " + "; ".join(figures), flush=True)
