"""Runs every family's kernels on a device that is not there.

torch's FakeTensorMode computes shapes and devices and no numbers, for any device, and refuses to mix devices: what a kernel
would make on the CPU by mistake is found without a GPU. Gradients are not run, as autograd asks the device for its streams;
they make nothing that the forward pass does not.

    mvn -q -pl hybrid-engine -am test -Dtest=WriteKernels -Dsurefire.failIfNoSpecifiedTests=false -Dtroupe.kernels=/tmp/kernels
    python check_devices.py /tmp/kernels        # torch 2.7.1

The device is hpu, not cuda: the attention operator asks a cuda device what it can do.
"""
import json
import pathlib
import sys

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

DEVICE = "hpu:0"
ROWS, TOKENS = 2, 6


def there(tensors):
    for t in tensors:
        assert t.device.type == "hpu", f"made on {t.device}"


def check(folder, item):
    train = torch.jit.load(folder / (item["name"] + "-train.pt"))
    generate = torch.jit.load(folder / (item["name"] + "-generate.pt"))
    n = ROWS * TOKENS
    with FakeTensorMode(), torch.no_grad():
        def longs(*shape):
            return torch.zeros(shape, device=DEVICE, dtype=torch.int64)

        def floats(*shape):
            return torch.zeros(shape, device=DEVICE)

        w = [floats(*shape) for shape in item["weights"]]
        flat = floats(item["parameters"])
        ids, reads, targets, g = longs(ROWS, TOKENS), longs(n), longs(n), floats(n)
        out = train.forward(ids, reads, targets, w, flat, 0.7, True, True, True, 3)
        there(out)
        there([train.backward(out[0], targets, w, flat, 0.7, g, g, g, [])])
        there([train.backward(out[0], targets, w, flat, 0.7, g, g, g, out[4:])])
        there(train.sparing(ids, reads, targets, w, flat, 0.7, True, True, True, 3))
        there(train.evaluate(ids, reads, targets, w, flat, 1.0, True, False, False))
        there(train.states(ids, w, flat))
        frame = generate.frame(w, flat)
        packed = generate.shadow(w, flat, [], 0, 1)
        there(frame + packed + generate.states(ids, frame, packed))
        start, uniform = longs(ROWS), floats(ROWS)
        cache = generate.cache(ROWS, TOKENS, start)
        for top_k, temperature in (0, 0.7), (4, 0.7), (0, 0.0):
            for mask in None, floats(ROWS * item["kv_heads"], 1, TOKENS):
                there(generate.step(start, start, TOKENS - 1, 0, mask, uniform, temperature, top_k, 1.0, frame, packed, cache))
        generate.shifted(1, 3, cache)
        there(generate.kept(start, cache))


folder = pathlib.Path(sys.argv[1])
wrong = 0
items = json.loads((folder / "index.json").read_text())
for item in items:
    try:
        check(folder, item)
    except (RuntimeError, AssertionError) as e:
        wrong += 1
        print(item["name"], str(e)[-600:])
print(f"{len(items) - wrong} of {len(items)} stay on their device")
sys.exit(wrong > 0)
