#!/usr/bin/env python3
"""Troupe and its peers on the same weights, in turn, as ratios.

Runs each pair of commands ROUNDS times, one after the other so that a slow moment of the machine meets both, and prints a table: the medians, the
median of the rounds' ratios and their spread. Each command measures itself after loading and warming up.

  python bench/compare.py --model DIR [--gguf FILE] [--rounds 3] [--only TEXT]

DIR holds a Hugging Face checkpoint, for example by `./troupe bench model DIR`; FILE the same weights by
`./troupe export DIR --output OUT --format gguf --dtype q8_0` (llama.cpp wants a tokenizer that fits: take a real model).
"""
import argparse
import json
import pathlib
import statistics
import os
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TROUPE = str(HERE.parent / "troupe")


def pairs(a):
    def troupe(what, *options):
        return [TROUPE, "bench", what, a.model, "--json", "--rounds", str(a.inner), *map(str, options)]

    def peer(script, *options, model=a.model):
        return [sys.executable, str(HERE / "peers" / script), model, "--rounds", str(a.inner), "--threads", str(a.threads), *map(str, options)]

    hf = peer("generate_hf.py")
    yield "generate, batch 16, sampled, int8", "generate", troupe("generate", "--weights", "int8"), hf, 4
    yield "generate, batch 16, sampled, fp16", "generate", troupe("generate", "--weights", "fp16"), hf, 2.5
    yield "generate, batch 16, sampled, fp32", "generate", troupe("generate", "--weights", "fp32"), hf, 2
    yield "prefill, 1 × 2047", "prefill", troupe("prefill"), peer("prefill_hf.py"), 1.2
    yield "train, LoRA, 8 × 256", "train", troupe("train"), peer("train_peft.py"), 1.3
    yield "PPO iteration, 64 × (64 + 64)", "ppo", troupe("ppo"), peer("ppo_transformers.py"), 4
    coarse = ("--set", "engine.precision=bf16", "--set", "engine.rollout-weights=int8")
    yield "PPO iteration, bf16 and int8 / fp32", "ppo", troupe("ppo", *coarse), peer("ppo_transformers.py"), 4
    yield "GRPO iteration, 8 × 8 × (64 + 64), fp32", "grpo", troupe("grpo"), peer("grpo_trl.py"), 2
    yield "GRPO iteration, bf16 and int8 / bf16", "grpo", troupe("grpo", *coarse), peer("grpo_trl.py", "--dtype", "bfloat16"), 2.5
    yield "train, LoRA, 8 × 256, bf16 / fp32", "train", troupe("train", "--precision", "bf16"), peer("train_peft.py"), 1.3
    yield "train, LoRA, 8 × 256, bf16 both", "train", troupe("train", "--precision", "bf16"), peer("train_peft.py", "--dtype", "bfloat16"), 1.3
    yield "generate, batch 16, sampled, bf16 both", "generate", troupe("generate", "--weights", "bf16"), peer("generate_hf.py", "--dtype", "bfloat16"), 2
    if a.gguf:
        one = peer("generate_llama_cpp.py", model=a.gguf)
        many = peer("generate_llama_cpp.py", "--batch", 16, model=a.gguf)
        yield "generate, batch 1, greedy, int8 / llama.cpp", "generate", troupe("generate", "--weights", "int8", "--batch", 1, "--greedy"), one, 0.6
        yield "generate, batch 16, greedy, int8 / llama.cpp", "generate", troupe("generate", "--weights", "int8", "--greedy"), many, 1


def run(command, work):
    # Troupe's script sets the thread count itself
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    memory = [f["median"] * 2**20 for f in found if f["work"] == "memory"] or [f["peakResidentBytes"] for f in found if "peakResidentBytes" in f]
    return next(f for f in found if f["work"] == work), memory[0] if memory else None


def row(name, unit, ours, theirs, target, lower_is_better):
    ratios = [t / o if lower_is_better else o / t for o, t in zip(ours, theirs)]
    print(f"| {name} | {statistics.median(ours):.4g} {unit} | {statistics.median(theirs):.4g} {unit} | "
          f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {target} |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--gguf")
    p.add_argument("--rounds", type=int, default=3, help="of each pair, in turn")
    p.add_argument("--inner", type=int, default=3, help="measurements within each command")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--only", default="", help="pairs whose names hold this text")
    a = p.parse_args()
    print("| work | Troupe | peer | ratio of medians (spread) | target |\n|---|---|---|---|---|", flush=True)
    for name, work, ours, theirs, target in pairs(a):
        if a.only not in name:
            continue
        results = [(run(ours, work), run(theirs, work)) for _ in range(a.rounds)]
        mine, others = [o[0]["median"] for o, _ in results], [t[0]["median"] for _, t in results]
        unit = results[0][0][0]["unit"]
        row(name, unit, mine, others, target, unit == "s")
        if work in ("ppo", "grpo"):
            row(f"{work.upper()}, peak memory, ours / theirs", "GiB", [o[1] / 2**30 for o, _ in results], [t[1] / 2**30 for _, t in results], "at most 0.45", False)


main()
