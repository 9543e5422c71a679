"""Makes src/test/resources/golden/gguf/types.gguf with the gguf package (0.19.0): for every storage type that is read a
tensor of two rows, and beside it, named NAME.expected, the same dequantised by that package to float32.

    python make_gguf.py [TARGET]
"""

import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

TARGET = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "resources" / "golden" / "gguf")
COLUMNS = 512

# Byte positions of the halves in a block: the steps and least numbers. All other bytes may be anything.
HALVES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}


def blocks(kind, random):
    """Every bit pattern is possible but for the halves, which are ordinary numbers of both signs."""
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (2, COLUMNS // numbers, size), dtype=np.uint8)
    for at in HALVES[kind]:
        halves = random.normal(0, 0.05, data.shape[:2]).astype(np.float16)
        data[:, :, at:at + 2] = halves[..., None].view(np.uint8)
    return data.reshape(2, -1)


def types(target):
    random = np.random.default_rng(20)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -3)
    writer.add_uint16("test.uint16", 60000)
    writer.add_int16("test.int16", -300)
    writer.add_uint32("test.uint32", 4_000_000_000)
    writer.add_int32("test.int32", -70000)
    writer.add_uint64("test.uint64", 1 << 40)
    writer.add_int64("test.int64", -(1 << 40))
    writer.add_float32("test.float32", 0.5)
    writer.add_float64("test.float64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "Grüße 🦙")
    writer.add_array("test.strings", ["a", "", "▁b"])
    writer.add_array("test.ints", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -1.25])
    writer.add_array("test.bools", [True, False])
    ordinary = random.normal(0, 1, (2, COLUMNS)).astype(np.float32)
    writer.add_tensor("F32", ordinary)
    writer.add_tensor("F16", ordinary.astype(np.float16))
    writer.add_tensor("F16.expected", ordinary.astype(np.float16).astype(np.float32))
    bf16 = gguf.quants.quantize(ordinary, Type.BF16)
    writer.add_tensor("BF16", bf16, raw_dtype=Type.BF16)
    writer.add_tensor("BF16.expected", gguf.quants.dequantize(bf16, Type.BF16))
    for kind in HALVES:
        data = blocks(kind, random)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        writer.add_tensor(kind.name + ".expected", gguf.quants.dequantize(data, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


TARGET.mkdir(parents=True, exist_ok=True)
types(TARGET / "types.gguf")
