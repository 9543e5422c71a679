"""What the peers' programs share: options, random inputs, the line that is printed."""
import argparse
import json
import resource
import statistics
import time


def parser(**defaults):
    p = argparse.ArgumentParser()
    p.add_argument("model")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of the frozen weights")
    for name, value in defaults.items():
        p.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    return p


def rates(work, tokens, rounds):
    """Tokens per second of each round, after one to warm up; work returns its tokens or None for `tokens`."""
    found = []
    for i in range(rounds + 1):
        start = time.perf_counter()
        done = work() or tokens
        if i > 0:
            found.append(done / (time.perf_counter() - start))
    return found


def report(work, values, unit="tokens/s", **more):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"work": work, "unit": unit, "median": statistics.median(values), "values": values, "peakResidentBytes": peak, **more}))
