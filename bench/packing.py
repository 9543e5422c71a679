"""Four layouts of a step's samples, one decoder layer with its gradient (frozen weights, as under LoRA): what decided docs/adr/0020. One core;
torch 2.7.1. Processor time per token that is no padding, as a share of the same tokens in samples of one length, which pad nothing.

padded: rows sorted by length, micro-batches of at most 512 tokens, padding included (what is done without packing).
block mask: samples end to end in rows of at most 512 tokens, all scores of a row, those across samples masked.
gather: samples end to end in the linear layers, gathered into padded rows around attention.
sections: samples end to end, sorted by length; attention takes its part of the micro-batch section by section, samples of near length together.
"""
import math
import random
import sys
import time

import torch

torch.set_num_threads(1)
LIMIT = 512


class Layer:
    def __init__(self, hidden, heads, kv, dim, inner):
        self.heads, self.kv, self.dim = heads, kv, dim
        make = lambda rows, columns: torch.randn(rows, columns) / math.sqrt(columns)
        self.qkv, self.out = make((heads + 2 * kv) * dim, hidden), make(hidden, heads * dim)
        self.up, self.down = make(2 * inner, hidden), make(hidden, inner)

    def run(self, x, attend):
        q, k, v = torch.nn.functional.linear(x, self.qkv).split([self.heads * self.dim, self.kv * self.dim, self.kv * self.dim], -1)
        x = x + torch.nn.functional.linear(attend(q, k, v), self.out)
        gate, up = torch.nn.functional.linear(x, self.up).chunk(2, -1)
        return x + torch.nn.functional.linear(torch.nn.functional.silu(gate) * up, self.down)

    def rows(self, q, k, v, rows, mask):
        # by blocks of queries, as docs/adr/0014; mask [T, T] or [rows, T, T]
        t, h, d = q.size(0) // rows, self.kv, self.dim
        g = self.heads // h
        k = k.view(rows, t, h, d).transpose(1, 2).reshape(rows * h, t, d).transpose(1, 2)
        v = v.view(rows, t, h, d).transpose(1, 2).reshape(rows * h, t, d)
        out = []
        size = max(64, (t + 3) // 4)
        for i, part in enumerate(q.view(rows, t, h, g, d).split(size, 1)):
            n, end = part.size(1), min(t, (i + 1) * size)
            m = mask[..., i * size:i * size + n, :end]
            m = m.repeat(g, 1).unsqueeze(0) if m.dim() == 2 else m.repeat(1, g, 1).repeat_interleave(h, 0)
            scores = torch.baddbmm(m, part.permute(0, 2, 3, 1, 4).reshape(rows * h, g * n, d), k[:, :, :end], alpha=d ** -0.5)
            a = torch.bmm(torch.softmax(scores, -1), v[:, :end])
            out.append(a.view(rows, h, g, n, d).permute(0, 3, 1, 2, 4))
        return torch.cat(out, 1).reshape(rows * t, self.heads * d)


def causal(t):
    return torch.full((t, t), float("-inf")).triu(1)


def padded(layer, lengths):
    batches, current = [], []
    for n in sorted(lengths, reverse=True):
        if current and (len(current) + 1) * current[0] > LIMIT:
            batches.append(current)
            current = []
        current.append(n)
    batches.append(current)
    out = []
    for batch in batches:
        mask = causal(batch[0])
        out.append((len(batch) * batch[0], lambda q, k, v, b=len(batch), m=mask: layer.rows(q, k, v, b, m)))
    return out


def packs(lengths):
    # best fit decreasing
    bins = []
    for n in sorted(lengths, reverse=True):
        fits = [b for b in bins if sum(b) + n <= LIMIT]
        (max(fits, key=sum) if fits else bins.append([]) or bins[-1]).append(n)
    return bins


def block_mask(layer, lengths):
    out = []
    for batch in packs(lengths):
        of = torch.repeat_interleave(torch.arange(len(batch)), torch.tensor(batch))
        mask = causal(len(of)).masked_fill(of.unsqueeze(0) != of.unsqueeze(1), float("-inf"))
        out.append((len(of), lambda q, k, v, m=mask: layer.rows(q, k, v, 1, m)))
    return out


def runs(lengths):
    # consecutive in the order of length, as even as they come
    count = -(-sum(lengths) // LIMIT)
    out, current = [], []
    for n in sorted(lengths, reverse=True):
        if current and (sum(current) + n > LIMIT or sum(current) >= sum(lengths) / count):
            out.append(current)
            current = []
        current.append(n)
    return out + [current]


def gather(layer, lengths):
    out = []
    for batch in runs(lengths):
        t = max(batch)
        back = torch.cat([torch.arange(n) + i * t for i, n in enumerate(batch)])
        there = torch.zeros(len(batch) * t, dtype=torch.long)
        there[back] = torch.arange(len(back))

        def attend(q, k, v, b=len(batch), mask=causal(t), there=there, back=back):
            q, k, v = torch.cat([q, k, v], 1).index_select(0, there).split([q.size(1), k.size(1), v.size(1)], 1)
            return layer.rows(q.contiguous(), k.contiguous(), v.contiguous(), b, mask).index_select(0, back)

        out.append((sum(batch), attend))
    return out


def sections(layer, lengths, price):
    out = []
    for batch in runs(lengths):
        # the cheapest cut of the sorted samples: tokens of padding, and a price for every section
        best = [(0, 0)]
        for end in range(1, len(batch) + 1):
            best.append(min((best[i][0] + (end - i) * batch[i] + price, i) for i in range(end)))
        cut, end = [], len(batch)
        while end > 0:
            i = best[end][1]
            cut.append((end - i, batch[i]))
            end = i
        cut.reverse()
        masks = [causal(t) for _, t in cut]

        def attend(q, k, v, cut=cut, masks=masks):
            if len(cut) == 1:
                return layer.rows(q, k, v, cut[0][0], masks[0])
            sizes = [b * t for b, t in cut]
            parts = zip(q.split(sizes), k.split(sizes), v.split(sizes), cut, masks)
            return torch.cat([layer.rows(q, k, v, b, m) for q, k, v, (b, _), m in parts])

        out.append((sum(b * t for b, t in cut), attend))
    return out


def seconds(layer, hidden, batches):
    inputs = [torch.randn(n, hidden, requires_grad=True) for n, _ in batches]
    best = float("inf")
    for _ in range(4):
        start = time.process_time()
        for x, (_, attend) in zip(inputs, batches):
            y = layer.run(x, attend)
            torch.autograd.grad(y, x, y.detach())
        best = min(best, time.process_time() - start)
    return best


DRAWS = {
    "even, 8 to 128": lambda r: r.randint(8, 128),
    "lognormal, median 40, deviation 0.7": lambda r: max(1, min(512, round(r.lognormvariate(math.log(40), 0.7)))),
    "lognormal, median 120, deviation 0.45": lambda r: max(1, min(512, round(r.lognormvariate(math.log(120), 0.45)))),
    "even, 4 to 32": lambda r: r.randint(4, 32),
}
PRICES = [int(p) for p in sys.argv[1:]] or [1, 8, 32]
for name, layer, hidden in ("hidden 576", Layer(576, 9, 3, 64, 1536), 576), ("hidden 128", Layer(128, 4, 2, 32, 352), 128):
    for lengths, draw in DRAWS.items():
        for samples in 16, 32, 64:
            r = random.Random(samples)
            drawn = [[draw(r) for _ in range(samples)] for _ in range(4 if hidden > 300 else 12)]
            total = sum(map(sum, drawn))
            # the same tokens in rows of 64, half a limit at a time and more
            even = [(512, lambda q, k, v, m=causal(64): layer.rows(q, k, v, 8, m))] * max(1, total // 512)
            floor = seconds(layer, hidden, even) / (512 * len(even))
            ways = {"padded": padded, "block mask": block_mask, "gather": gather}
            ways |= {f"sections at {p}": lambda l, d, p=p: sections(l, d, p) for p in PRICES}
            figures = []
            for way, lay in ways.items():
                figures.append(f"{way} {sum(seconds(layer, hidden, lay(layer, d)) for d in drawn) / total / floor:.2f}")
            print(f"{name}, {lengths}, {samples} samples: " + ", ".join(figures), flush=True)
