"""Adapters with PEFT's choices, saved by peft on golden bases, with the logprobs and gradients that peft computes. See README.md."""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "resources", "golden")
TARGET = sys.argv[1] if len(sys.argv) > 1 else os.path.join(GOLDEN, "adapters")

# name: (base, choices, whether gradients are kept)
ADAPTERS = {
    "rslora-regex": ("gqa-tied-bf16", dict(r=3, lora_alpha=5, target_modules=r".*layers\.[02]\..*\.(q|v)_proj|model.*down_proj", use_rslora=True), False),
    "patterns": (
        "gqa-tied-bf16",
        dict(
            r=2,
            lora_alpha=7.5,
            target_modules=["q_proj", "self_attn.k_proj", "up_proj", "o_proj"],
            layers_to_transform=[0, 2],
            layers_pattern="layers",
            rank_pattern={"layers.0.self_attn.q_proj": 5, "k_proj": 1},
            alpha_pattern={r".*\.2\..*": 3},
        ),
        True,
    ),
    "all-linear": (
        "gqa-tied-bf16",
        dict(r=1, lora_alpha=0.5, target_modules="all-linear", exclude_modules=["v_proj"], init_lora_weights="gaussian", bias="all", lora_dropout=0.1),
        False,
    ),
    "dora": ("gqa-tied-bf16", dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj", "o_proj", "gate_proj", "down_proj"], use_dora=True), True),
    "phi3": ("families/phi3", dict(r=2, lora_alpha=3, target_modules="all-linear"), True),
    "phi3-dora": ("families/phi3", dict(r=1, lora_alpha=1, target_modules=["qkv_proj", "gate_up_proj"], use_dora=True), True),
    "qwen2-dora": ("families/qwen2", dict(r=2, lora_alpha=2, target_modules="all-linear", use_dora=True), True),
    "saved": (
        "linear-rope-fp32",
        dict(r=2, lora_alpha=2, target_modules=["q_proj", "down_proj"], modules_to_save=["embed_tokens", "lm_head", "input_layernorm"]),
        False,
    ),
    "gpt2": ("families/gpt2", dict(r=2, lora_alpha=3, target_modules=["c_attn", "mlp.c_proj", "c_fc"], fan_in_fan_out=True), True),
    "gpt2-dora": ("families/gpt2", dict(r=1, lora_alpha=1, target_modules=["c_attn", "c_proj"], fan_in_fan_out=True, use_dora=True), True),
    "gpt-neox": ("families/gpt-neox", dict(r=2, lora_alpha=3, target_modules="all-linear"), True),
    "opt": ("families/opt", dict(r=2, lora_alpha=3, target_modules=["q_proj", "out_proj", "fc1", "fc2"], use_rslora=True), True),
    "bloom": ("families/bloom", dict(r=2, lora_alpha=3, target_modules=["query_key_value", "dense_h_to_4h"]), True),
    "gemma3": ("families/gemma3", dict(r=2, lora_alpha=3, target_modules="all-linear", use_rslora=True), False),
    "gpt2-biases": ("families/gpt2", dict(r=1, lora_alpha=2, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, bias="all"), True),
    "gpt-neox-biases": ("families/gpt-neox", dict(r=1, lora_alpha=2, target_modules=["query_key_value"], bias="lora_only"), True),
    "bloom-biases": ("families/bloom", dict(r=1, lora_alpha=2, target_modules=["dense"], bias="all"), True),
    "qwen2-biases": ("families/qwen2", dict(r=1, lora_alpha=2, target_modules=["q_proj", "v_proj", "up_proj"], bias="lora_only", use_dora=True), True),
}


def prompts(base):
    with open(os.path.join(GOLDEN, base, "expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    # Short ones: what is looked at is the adapter.
    rows = expected["batch"] if "batch" in expected else [row["prompt"][:24] for row in expected["rows"]]
    return [row for row in rows if len(row) > 2]


def state(model):
    # PEFT 0.17 trains the biases of lora_only, and loads them, but leaves them out of what it saves.
    biases = {name: parameter.detach().clone() for name, parameter in model.named_parameters() if parameter.requires_grad and name.endswith(".bias")}
    return {**get_peft_model_state_dict(model), **biases}


def logprobs_of(model, tokens):
    logits = model(torch.tensor([tokens])).logits[0, :-1].double()
    return torch.log_softmax(logits, -1)[torch.arange(len(tokens) - 1), torch.tensor(tokens[1:])]


def main():
    for number, (name, (base_name, choices, gradients)) in enumerate(ADAPTERS.items()):
        torch.manual_seed(100 + number)
        base = AutoModelForCausalLM.from_pretrained(os.path.join(GOLDEN, base_name), dtype=torch.float32, attn_implementation="eager")
        model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **choices)).eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "lora_B" in parameter_name:
                    parameter.normal_(std=0.1)
                if "modules_to_save" in parameter_name:
                    parameter.add_(0.1 * torch.randn_like(parameter))
                if parameter.requires_grad and parameter_name.endswith(".bias"):
                    parameter.add_(0.3 * torch.randn_like(parameter))
                if "magnitude" in parameter_name:
                    parameter.mul_(1 + 0.3 * torch.rand_like(parameter))
        batch = prompts(base_name)
        target = os.path.join(TARGET, name)
        model.save_pretrained(target)
        os.remove(os.path.join(target, "README.md"))
        if choices.get("bias") == "lora_only":
            save_file(state(model), os.path.join(target, "adapter_model.safetensors"), metadata={"format": "pt"})
        with torch.no_grad():
            logprobs = [[round(x, 7) for x in logprobs_of(model, tokens).tolist()] for tokens in batch]
        if gradients:
            # Of the sum of all logprobs, under the names of the adapter's own tensors.
            sum(logprobs_of(model, tokens).sum() for tokens in batch).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    if parameter.requires_grad:
                        parameter.copy_(parameter.grad)
            save_file(state(model), os.path.join(target, "gradients.safetensors"), metadata={"format": "pt"})
        # The path of the base is this machine's; a set's order is the day's.
        settings_file = os.path.join(target, "adapter_config.json")
        with open(settings_file, encoding="utf-8") as file:
            settings = json.load(file)
        settings["base_model_name_or_path"] = base_name
        if isinstance(settings["target_modules"], list):
            settings["target_modules"] = sorted(settings["target_modules"])
        with open(settings_file, "w", encoding="utf-8") as file:
            json.dump(settings, file, indent=2)
            file.write("\n")
        with open(os.path.join(target, "expected.json"), "w", encoding="utf-8") as file:
            json.dump({"base": base_name, "batch": batch, "logprobs": logprobs}, file)
            file.write("\n")


if __name__ == "__main__":
    main()
