"""Adapters of PEFT's methods beside LoRA, saved by peft on golden bases, with the logprobs and gradients that peft computes. See README.md.

    python make_methods.py [TARGET [ADAPTER ...]]
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import (
    AdaLoraConfig, BOFTConfig, IA3Config, LNTuningConfig, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig,
    VeraConfig, get_peft_model)
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Gemma2Config

from make_adapters import GOLDEN, prompts

torch.set_num_threads(1)
# transformers 5.24 refuses a width that is no multiple of the heads, though the size of a head is given; the golden base has one.
Gemma2Config.__class_validators__ = [each for each in Gemma2Config.__class_validators__ if each.__name__ != "validate_architecture"]
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
    "boft": (LLAMA, BOFTConfig(boft_block_size=8, target_modules=ALL)),
    "boft-blocks-opt": ("families/opt", BOFTConfig(boft_block_size=0, boft_block_num=5, target_modules=["q_proj", "fc1"])),
    "vera": (LLAMA, VeraConfig(r=6, target_modules=ALL)),
    "vera-gpt2": ("families/gpt2", VeraConfig(r=5, projection_prng_key=7, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True)),
    "vera-gpt-neox-drawn": ("families/gpt-neox", VeraConfig(r=4, projection_prng_key=3, save_projection=False, target_modules=["query_key_value", "dense_4h_to_h"])),
    "pissa": (LLAMA, LoraConfig(r=3, lora_alpha=6, target_modules=ALL, rank_pattern={"v_proj": 2}, init_lora_weights="pissa")),
    "pissa-gpt2": ("families/gpt2", LoraConfig(r=2, lora_alpha=3, target_modules=["c_attn", "mlp.c_proj"], fan_in_fan_out=True, use_rslora=True, init_lora_weights="pissa")),
    "olora": (LLAMA, LoraConfig(r=3, lora_alpha=6, target_modules=ALL, init_lora_weights="olora")),
    "lora-bias-gpt2": ("families/gpt2", LoraConfig(r=2, lora_alpha=3, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True, lora_bias=True)),
    "lora-bias-qwen2": ("families/qwen2", LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj", "k_proj", "v_proj"], lora_bias=True)),
    "tokens": (LLAMA, LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj", "v_proj"], trainable_token_indices=[3, 17, 40])),
    "tokens-untied": ("untied-llama3-fp16", LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj"], trainable_token_indices=[5, 4])),
    "head": ("untied-llama3-fp16", LoraConfig(r=3, lora_alpha=5, target_modules=["q_proj", "lm_head"])),
    "head-tied": (LLAMA, LoraConfig(r=3, lora_alpha=5, target_modules=["lm_head"])),
    "embedding": ("untied-llama3-fp16", LoraConfig(r=3, lora_alpha=5, target_modules=["v_proj", "embed_tokens", "lm_head"])),
    "embedding-tied": (LLAMA, LoraConfig(r=3, lora_alpha=5, target_modules=["v_proj", "embed_tokens"])),
    "embedding-gemma": ("families/gemma2", LoraConfig(r=2, lora_alpha=4, target_modules=["embed_tokens"])),
    "prefix": (LLAMA, PrefixTuningConfig(num_virtual_tokens=5)),
    "prefix-gpt2": ("families/gpt2", PrefixTuningConfig(num_virtual_tokens=3)),
    "prefix-gpt-neox": ("families/gpt-neox", PrefixTuningConfig(num_virtual_tokens=4)),
    "prefix-qwen3": ("families/qwen3", PrefixTuningConfig(num_virtual_tokens=4)),
    "prefix-encoder": (LLAMA, PrefixTuningConfig(num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=12)),
    "prompt": (LLAMA, PromptTuningConfig(num_virtual_tokens=5)),
    "prompt-gpt2": ("families/gpt2", PromptTuningConfig(num_virtual_tokens=4)),
    "prompt-gemma": ("families/gemma2", PromptTuningConfig(num_virtual_tokens=4)),
    "prompt-encoder": (LLAMA, PromptEncoderConfig(num_virtual_tokens=4, encoder_hidden_size=24)),
    "adalora": (LLAMA, AdaLoraConfig(init_r=4, target_r=2, total_step=10, lora_alpha=6, target_modules=ALL)),
    "adalora-gpt2": ("families/gpt2", AdaLoraConfig(init_r=3, target_r=2, total_step=10, lora_alpha=5, target_modules=["c_attn", "c_fc"], fan_in_fan_out=True)),
}

# Of these the file has what the trained parameters make, not they; or not all that is here in the buffer.
ENCODED = ("prefix-encoder", "prompt-encoder", "vera-gpt-neox-drawn")


def gradients(model, choices):
    """By the adapter's names; of a start that is taken out of the base, as of the plain adapter of twice the rank, half of which stays."""
    found = {}
    for key, value in get_peft_model_state_dict(model).items():
        if ".base_layer." in key:
            continue
        if key.endswith(("vera_A", "vera_B")):
            value = torch.zeros_like(value)
        if getattr(choices, "init_lora_weights", True) in ("pissa", "olora"):
            value = torch.cat([value, torch.zeros_like(value)], 0 if "lora_A" in key else 1)
        found[key] = value.contiguous().clone()
    return found


def logprobs_of_text(model, tokens):
    """Virtual tokens have logits of their own where they stand among the text's."""
    logits = model(torch.tensor([tokens])).logits[0][-len(tokens):-1].double()
    return torch.log_softmax(logits, -1)[torch.arange(len(tokens) - 1), torch.tensor(tokens[1:])]


def main():
    wanted = sys.argv[2:]
    for number, (name, (base_name, choices)) in enumerate(METHODS.items()):
        if wanted and name not in wanted:
            continue
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
        if name.startswith("adalora"):
            # Ranks that matter least are gone, in one layer all of them.
            allocator = model.base_model.rankallocator
            sum(logprobs_of_text(model, tokens).sum() for tokens in batch).backward()
            for key, parameter in model.named_parameters():
                if parameter.requires_grad and ".1." in key and ("q_proj" in key or "c_fc" in key) and "lora_E" in key:
                    parameter.data.mul_(1e-6)
            allocator.update_ipt(model.base_model.model)
            choices.rank_pattern = allocator.mask_to_budget(model.base_model.model, allocator.target_bgt)
            model.zero_grad()
        target = os.path.join(TARGET, name)
        model.save_pretrained(target)
        os.remove(os.path.join(target, "README.md"))
        with torch.no_grad():
            logprobs = [[round(x, 7) for x in logprobs_of_text(model, tokens).tolist()] for tokens in batch]
            with model.disable_adapter():
                plain = [logprobs_of_text(model, tokens).tolist() for tokens in batch]
        moved = max(abs(a - b) for one, other in zip(logprobs, plain) for a, b in zip(one, other))
        assert moved > 0.01, (name, moved)
        # Of the sum of all logprobs, under the names of the adapter's own tensors.
        sum(logprobs_of_text(model, tokens).sum() for tokens in batch).backward()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.copy_(parameter.grad)
        if name not in ENCODED:
            save_file(gradients(model, choices), os.path.join(target, "gradients.safetensors"), metadata={"format": "pt"})
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
