"""Checkpoints that are there in four and eight bits, for QuantisedCheckpointTest: those of bitsandbytes as transformers saves them, and of GPTQ and AWQ.

    OMP_NUM_THREADS=1 python make_quantised.py
    OMP_NUM_THREADS=1 python make_quantised.py --check DIR NAME   # what `troupe quantise` wrote of golden/quantised/NAME's weights, loaded by the peers

Of each weight the SHA-256 of its numbers in float32, as the peer's own functions dequantise them: of bitsandbytes the path for any device, as its kernel for CPUs
counts blocks by the row. The logits are of a model of these numbers in float32. The files of GPTQ and AWQ are packed here, by loops over the formulas of AutoGPTQ's
qlinear_cuda and AutoAWQ's packing_utils; no peer read them.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import bitsandbytes
import numpy as np
import torch
import transformers
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GPT2Config, LlamaConfig

TARGET = Path(__file__).resolve().parents[1] / "resources" / "golden" / "quantised"
PROMPTS = [[3, 17, 5, 40, 22, 9, 31, 2, 11, 46], [8, 1, 30, 12]]


def digest(tensor):
    return hashlib.sha256(np.ascontiguousarray(tensor.detach().float().numpy()).tobytes()).hexdigest()


def llama(dtype):
    torch.manual_seed(5)
    config = LlamaConfig(vocab_size=48, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
                         max_position_embeddings=64, bos_token_id=1, eos_token_id=2, tie_word_embeddings=False)
    return AutoModelForCausalLM.from_config(config).to(dtype)


def gpt2(dtype):
    torch.manual_seed(6)
    config = GPT2Config(vocab_size=48, n_embd=64, n_inner=96, n_layer=1, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)
    model = AutoModelForCausalLM.from_config(config)
    for name, p in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(p, std=0.1)
    return model.to(dtype)


def spread(model):
    """Weights large enough for an uneven distribution."""
    for p in model.parameters():
        if p.dim() == 2:
            p.data.mul_(8)
    return model


def dequantised(name, module):
    weight = module.weight
    if isinstance(module, bitsandbytes.nn.Linear8bitLt):
        return bitsandbytes.functional.int8_vectorwise_dequant(weight.data, module.state.SCB if module.state.SCB is not None else weight.SCB)
    state = weight.quant_state
    absmax = state.absmax
    if state.nested:
        code, groups = state.state2.code, state.state2.absmax
        absmax = code[absmax.long()] * groups.repeat_interleave(256)[: absmax.numel()] + state.offset
    return _dequantize_4bit_compute(weight.data.view(torch.uint8).reshape(-1), absmax, state.code, state.blocksize, state.shape, state.dtype)


def numbers(model, plain):
    """The weights of a quantised model, as a plain one of the kind has them."""
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, (bitsandbytes.nn.Linear4bit, bitsandbytes.nn.Linear8bitLt)):
            w = dequantised(name, module)
            like = plain.get_submodule(name).weight
            found[name + ".weight"] = (w.t() if like.shape != w.shape or type(plain.get_submodule(name)).__name__ == "Conv1D" else w).float()
    for name, p in plain.named_parameters():
        if name not in found:
            found[name] = dict(model.named_parameters())[name].detach().float()
    return found


def write(name, plain, found, extra):
    exact = type(plain)(plain.config).float().eval()
    missing = exact.load_state_dict(found, strict=False)
    assert not missing.unexpected_keys, missing
    with torch.no_grad():
        rows = [{"prompt": p, "logits": [[float(f"{x:.7g}") for x in row] for row in exact(torch.tensor([p])).logits[0, -3:]]} for p in PROMPTS]
    expected = {"rows": rows, "weights": {k: digest(v) for k, v in found.items()},
                "versions": {"bitsandbytes": bitsandbytes.__version__, "torch": torch.__version__, "transformers": transformers.__version__}, **extra}
    (TARGET / name / "expected.json").write_text(json.dumps(expected) + "\n")


def bits_and_bytes(name, make, dtype, **options):
    target = TARGET / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    plain = spread(make(dtype))
    source = target / "source"
    plain.save_pretrained(source)
    model = AutoModelForCausalLM.from_pretrained(source, quantization_config=BitsAndBytesConfig(**options), dtype=dtype, device_map="cpu")
    model.save_pretrained(target)
    again = AutoModelForCausalLM.from_pretrained(target, dtype=dtype, device_map="cpu")
    write(name, plain, numbers(again, plain), {})
    (target / "generation_config.json").unlink()
    (source / "generation_config.json").unlink()


def groups(name, awq, v2=False, order=False):
    target = TARGET / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    plain = spread(llama(torch.float32))
    rng = np.random.default_rng(11)
    size = 32
    stored, found = {}, {}
    for key, w in plain.state_dict().items():
        if not key.endswith("_proj.weight"):
            stored[key] = w.half()
            found[key] = w.half().float()
            continue
        out, inputs = w.shape
        codes = rng.integers(0, 16, (inputs, out))
        zeros = rng.integers(1, 16, (inputs // size, out))
        scales = (rng.random((inputs // size, out)) * 0.02 + 0.01).astype(np.float16)
        group = np.arange(inputs) // size
        if order:
            group = rng.permutation(group)
        prefix = key[: -len("weight")]
        if awq:
            place = [0, 2, 4, 6, 1, 3, 5, 7]
            pack = lambda a: np.array([[sum(int(row[8 * j + place[n]]) << 4 * n for n in range(8)) for j in range(out // 8)] for row in a], np.uint32).view(np.int32)
            stored[prefix + "qweight"] = torch.tensor(pack(codes))
            stored[prefix + "qzeros"] = torch.tensor(pack(zeros))
        else:
            words = np.array([[sum(int(codes[8 * i + n, o]) << 4 * n for n in range(8)) for o in range(out)] for i in range(inputs // 8)], np.uint32).view(np.int32)
            less = zeros if v2 else zeros - 1
            points = np.array([[sum(int(row[8 * j + n]) << 4 * n for n in range(8)) for j in range(out // 8)] for row in less], np.uint32).view(np.int32)
            stored[prefix + "qweight"] = torch.tensor(words)
            stored[prefix + "qzeros"] = torch.tensor(points)
            stored[prefix + "g_idx"] = torch.tensor(group.astype(np.int32))
            stored[prefix + "bias"] = torch.zeros(out, dtype=torch.float16)
        stored[prefix + "scales"] = torch.tensor(scales)
        found[key] = torch.tensor((scales.astype(np.float32)[group] * (codes - zeros[group]).astype(np.float32)).T.copy())
    save_file({k: v.contiguous() for k, v in stored.items()}, target / "model.safetensors", {"format": "pt"})
    config = plain.config.to_dict()
    config["architectures"] = ["LlamaForCausalLM"]
    config["quantization_config"] = {"quant_method": "awq", "bits": 4, "group_size": size, "version": "gemm", "zero_point": True} if awq else {
        "quant_method": "gptq", "bits": 4, "group_size": size, "desc_act": order, "sym": False, "checkpoint_format": "gptq_v2" if v2 else "gptq"}
    (target / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write(name, plain, found, {})


def check(directory, name):
    """A checkpoint that was written here, loaded by transformers and bitsandbytes."""
    model = AutoModelForCausalLM.from_pretrained(directory, device_map="cpu")
    plain = AutoModelForCausalLM.from_pretrained(TARGET / name / "source", dtype=torch.float32)
    ours = numbers(model, plain)
    expected = json.loads((TARGET / name / "expected.json").read_text())["weights"]
    same = {k: digest(v) == expected[k] for k, v in ours.items()}
    theirs = load_file(TARGET / name / "model.safetensors")
    own = load_file(Path(directory) / "model.safetensors")
    tensors = {k: (k in own and torch.equal(v.view(torch.uint8).reshape(-1) if v.dim() else v, own[k].view(torch.uint8).reshape(-1) if own[k].dim() else own[k]) if "quant_state" not in k else "") for k, v in theirs.items()}
    print("weights", sum(same.values()), "of", len(same), [k for k in same if not same[k]])
    print("tensors", sum(v is True for v in tensors.values()), "of", len(tensors), [k for k in tensors if tensors[k] is False], [k for k in own if k not in theirs])


def main():
    if "--check" in sys.argv:
        check(*sys.argv[2:])
        return
    bits_and_bytes("bnb-nf4", llama, torch.bfloat16, load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=torch.bfloat16)
    bits_and_bytes("bnb-fp4", llama, torch.float32, load_in_4bit=True, bnb_4bit_quant_type="fp4", bnb_4bit_compute_dtype=torch.float32)
    bits_and_bytes("bnb-int8", llama, torch.float16, load_in_8bit=True)
    bits_and_bytes("bnb-nf4-gpt2", gpt2, torch.float16, load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=False)
    groups("gptq", False, order=True)
    groups("gptq-v2", False, v2=True)
    groups("awq", True)
    for directory in TARGET.iterdir():
        print(directory.name, sorted((f.name, f.stat().st_size) for f in directory.rglob("*") if f.is_file()))


if __name__ == "__main__":
    main()
