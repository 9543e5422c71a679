"""Codes, scales and numbers of weights in blocks as bitsandbytes makes them on the CPU, for BlocksTest: hashes of all, the first of each to see where they part.

    OMP_NUM_THREADS=1 python make_blocks.py

Numbers come from a formula that needs no rounding, so that the test makes the same: cube(((7919 i + 104729 k) mod 65521 - 32760) / 32768) in float32.
bitsandbytes' quantiser of scales on the CPU looks its table up by cells that are too coarse; the exact codes are of its table by torch.bucketize, and how many
of its own differ is noted.
"""

import hashlib
import json
from pathlib import Path

import bitsandbytes
import bitsandbytes.functional as F
import numpy as np
import torch

TARGET = Path(__file__).resolve().parents[1] / "resources" / "golden" / "blocks.json"
torch.set_num_threads(1)

SHAPES = [(64, 256), (96, 576), (8, 160), (512, 1024)]
CASES = [(q, block, dtype, shape) for q in ("nf4", "fp4") for block in (64, 256) for dtype in ("float32", "bfloat16", "float16") for shape in SHAPES]


def numbers(count, k):
    i = np.arange(count, dtype=np.int64)
    x = (((7919 * i + 104729 * k) % 65521 - 32760).astype(np.float32) / np.float32(32768))
    x = x * x * x
    x[:64] = 0  # a block without a number
    return x.astype(np.float32)


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def exact_codes(scaled, table):
    """Of the nearest number of a sorted table; in the middle the lower."""
    middles = (table[:-1] + table[1:]) / 2
    return torch.bucketize(scaled, middles, right=False).to(torch.uint8)


def case(quant, block, dtype, shape, k):
    x = torch.tensor(numbers(shape[0] * shape[1], k)).to(getattr(torch, dtype)).view(shape)
    packed, state = F.quantize_4bit(x, blocksize=block, quant_type=quant)
    codes = packed.numpy().ravel()
    table = state.code.float()
    both = np.stack([codes >> 4, codes & 15], 1).ravel().astype(np.int64)
    dense = (table[torch.tensor(both)].view(-1, block) * state.absmax.view(-1, 1)).reshape(shape)
    out = {
        "storage": quant, "block": block, "dtype": dtype, "shape": list(shape), "k": k,
        "codes": digest(codes), "scales": digest(state.absmax.numpy()), "numbers": digest(dense.numpy()),
        "firstCodes": codes[:16].tolist(), "lastCodes": codes[-16:].tolist(), "lastScales": state.absmax[-4:].tolist(),
    }
    if shape[1] % block == 0:
        own = F.dequantize_4bit(packed, state).float()
        assert torch.equal(own, dense.to(x.dtype).float()), (quant, block, dtype, shape)
        out["dequantised"] = "equal"
    packed, nested = F.quantize_4bit(x, blocksize=block, quant_type=quant, compress_statistics=True)
    offset, inner = nested.offset, nested.state2
    rest = state.absmax - offset
    groups = inner.absmax
    each = groups.repeat_interleave(256)[: rest.numel()]
    exact = exact_codes(rest * (1 / each), inner.code)
    out["nested"] = {
        "offset": offset.item(), "groups": digest(groups.numpy()), "firstGroups": groups[:4].tolist(),
        "codes": digest(exact.numpy()), "firstCodes": exact[:16].tolist(), "lastCodes": exact[-16:].tolist(),
        "otherInBitsandbytes": int((exact != nested.absmax.view(-1)).sum()), "of": exact.numel(),
        "scales": digest((inner.code[exact.long()] * each + offset).numpy()),
    }
    return out


def main():
    made = [case(*c, k) for k, c in enumerate(CASES)]
    table = F.create_dynamic_map()
    rows = torch.tensor(numbers(48 * 128, 77)).view(48, 128)
    int8, scales, _ = F.int8_vectorwise_quant(rows.half())
    golden = {
        "versions": {"bitsandbytes": bitsandbytes.__version__, "torch": torch.__version__, "numpy": np.__version__},
        "cases": made,
        "scaleNumbers": [float(x) for x in table],
        "int8": {"codes": digest(int8.numpy()), "scales": digest(scales.float().numpy()), "numbers": digest(F.int8_vectorwise_dequant(int8, scales).float().numpy()),
                 "shape": [48, 128], "k": 77, "firstCodes": int8.view(-1)[64:80].tolist(), "firstScales": scales[:4].tolist()},
    }
    TARGET.write_text(json.dumps(golden, indent=1) + "\n")
    print(sum(c["nested"]["otherInBitsandbytes"] for c in made), "of", sum(c["nested"]["of"] for c in made), "scales' codes differ")


if __name__ == "__main__":
    main()
