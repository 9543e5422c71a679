"""Adapters of PEFT's methods beside LoRA, saved by peft on golden bases, with the logprobs and gradients that peft computes. See README.md.

    python make_methods.py [TARGET]
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import IA3Config, LNTuningConfig, LoHaConfig, LoKrConfig, OFTConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from make_adapters import GOLDEN, logprobs_of, prompts

torch.set_num_threads(1)
TARGET = sys.argv[1] if len(sys.argv) > 1 else os.path.join(GOLDEN, "adapters")
LLAMA, ALL = "gqa-tied-bf16", ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

# name: (base, choices)
METHODS = {
    "ln-tuning": (LLAMA, LNTuningConfig(target_modules=["input_layernorm", "norm"])),
    "ln-tuning-gpt2": ("families/gpt2", LNTuningConfig(target_modules=["ln_1", "ln_2", "ln_f"])),
    "ln-tuning-qwen3": ("families/qwen3", LNTuningConfig(target_modules=["q_norm", "k_norm", "post_attention_layernorm"])),
    "ia3": (LLAMA, IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"])),
    "ia3-mixed": (LLAMA, IA3Config(target_modules=ALL, feedforward_modules=["k_proj", "up_proj", "o_proj"])),
    "ia3-qwen2": ("families/qwen2", IA3Config(target_modules=["q_proj", "k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj", "v_proj"])),
    "ia3-gpt2": ("families/gpt2", IA3Config(target_modules=["c_attn", "mlp.c_proj", "c_fc"], feedforward_modules=["mlp.c_proj"], fan_in_fan_out=True)),
    "ia3-gpt-neox": ("families/gpt-neox", IA3Config(target_modules=["query_key_value", "dense_4h_to_h"], feedforward_modules=["dense_4h_to_h"])),
    "loha": (LLAMA, LoHaConfig(r=3, alpha=5, target_modules=ALL, rank_pattern={"v_proj": 2}, alpha_pattern={r"layers\.1\..*": 3})),
    "loha-gpt-neox": ("families/gpt-neox", LoHaConfig(r=2, alpha=2, target_modules=["query_key_value", "dense_h_to_4h"])),
    "lokr": (LLAMA, LoKrConfig(r=2, alpha=3, target_modules=["q_proj", "k_proj", "gate_proj", "down_proj"])),
    "lokr-both": (LLAMA, LoKrConfig(r=1, alpha=2, target_modules=["q_proj", "v_proj", "up_proj"], decompose_both=True, decompose_factor=4)),
    "lokr-gpt-neox": ("families/gpt-neox", LoKrConfig(r=8, alpha=8, target_modules=["query_key_value", "dense"])),
    "oft": (LLAMA, OFTConfig(r=0, oft_block_size=8, target_modules=ALL)),
    "oft-exact": (LLAMA, OFTConfig(r=4, oft_block_size=0, use_cayley_neumann=False, target_modules=["q_proj", "o_proj", "up_proj"])),
    "oft-terms": (LLAMA, OFTConfig(r=0, oft_block_size=5, num_cayley_neumann_terms=3, target_modules=["v_proj", "down_proj"])),
    "oft-phi3": ("families/phi3", OFTConfig(r=0, oft_block_size=4, target_modules=["qkv_proj", "gate_up_proj"])),
}


def main():
    for number, (name, (base_name, choices)) in enumerate(METHODS.items()):
        torch.manual_seed(300 + number)
        base = AutoModelForCausalLM.from_pretrained(os.path.join(GOLDEN, base_name), dtype=torch.float32, attn_implementation="eager")
        choices.task_type = "CAUSAL_LM"
        model = get_peft_model(base, choices).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    # Matrices that are multiplied with each other are larger, so that their product is seen.
                    factor = 0.3 if name.startswith(("loha", "lokr")) else 0.2
                    parameter.add_(factor * torch.randn_like(parameter))
        batch = prompts(base_name)
        target = os.path.join(TARGET, name)
        model.save_pretrained(target)
        os.remove(os.path.join(target, "README.md"))
        with torch.no_grad():
            logprobs = [[round(x, 7) for x in logprobs_of(model, tokens).tolist()] for tokens in batch]
            with model.disable_adapter():
                plain = [logprobs_of(model, tokens).tolist() for tokens in batch]
        moved = max(abs(a - b) for one, other in zip(logprobs, plain) for a, b in zip(one, other))
        assert moved > 0.01, (name, moved)
        # Of the sum of all logprobs, under the names of the adapter's own tensors.
        sum(logprobs_of(model, tokens).sum() for tokens in batch).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.copy_(parameter.grad)
        save_file({key: value.contiguous() for key, value in get_peft_model_state_dict(model).items()}, os.path.join(target, "gradients.safetensors"), metadata={"format": "pt"})
        # The path of the base is this machine's; a set's order is the day's.
        settings_file = os.path.join(target, "adapter_config.json")
        with open(settings_file, encoding="utf-8") as file:
            settings = json.load(file)
        settings["base_model_name_or_path"] = base_name
        for key in ("target_modules", "feedforward_modules"):
            if isinstance(settings.get(key), list):
                settings[key] = sorted(settings[key])
        with open(settings_file, "w", encoding="utf-8") as file:
            json.dump(settings, file, indent=2)
            file.write("\n")
        with open(os.path.join(target, "expected.json"), "w", encoding="utf-8") as file:
            json.dump({"base": base_name, "batch": batch, "logprobs": logprobs}, file)
            file.write("\n")
        print(name, "moves a logprob by up to", round(moved, 3))


if __name__ == "__main__":
    main()
