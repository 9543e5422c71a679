"""Adapters with PEFT's choices, saved by peft on the base gqa-tied-bf16, with the logprobs that peft computes. See README.md."""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "resources", "golden")
TARGET = sys.argv[1] if len(sys.argv) > 1 else os.path.join(GOLDEN, "adapters")

ADAPTERS = {
    "rslora-regex": dict(r=3, lora_alpha=5, target_modules=r".*layers\.[02]\..*\.(q|v)_proj|model.*down_proj", use_rslora=True),
    "patterns": dict(
        r=2,
        lora_alpha=7.5,
        target_modules=["q_proj", "self_attn.k_proj", "up_proj", "o_proj"],
        layers_to_transform=[0, 2],
        layers_pattern="layers",
        rank_pattern={"layers.0.self_attn.q_proj": 5, "k_proj": 1},
        alpha_pattern={r".*\.2\..*": 3},
    ),
    "all-linear": dict(r=1, lora_alpha=1, target_modules="all-linear", exclude_modules=["v_proj"], init_lora_weights="gaussian", bias="all", lora_dropout=0.1),
    "dora": dict(r=2, lora_alpha=4, target_modules=["q_proj", "k_proj", "o_proj", "gate_proj", "down_proj"], use_dora=True),
}


def main():
    with open(os.path.join(GOLDEN, "gqa-tied-bf16", "expected.json"), encoding="utf-8") as file:
        batch = json.load(file)["batch"]
    for number, (name, choices) in enumerate(ADAPTERS.items()):
        torch.manual_seed(100 + number)
        base = LlamaForCausalLM.from_pretrained(os.path.join(GOLDEN, "gqa-tied-bf16"), dtype=torch.float32)
        model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **choices)).eval()
        with torch.no_grad():
            for parameter_name, parameter in model.named_parameters():
                if "lora_B" in parameter_name:
                    parameter.normal_(std=0.1)
                if "magnitude" in parameter_name:
                    parameter.mul_(1 + 0.3 * torch.rand_like(parameter))
            logprobs = []
            for tokens in batch:
                logits = model(torch.tensor([tokens])).logits[0, :-1].double()
                chosen = torch.log_softmax(logits, -1)[torch.arange(len(tokens) - 1), torch.tensor(tokens[1:])]
                logprobs.append([round(x, 7) for x in chosen.tolist()])
        target = os.path.join(TARGET, name)
        model.save_pretrained(target)
        os.remove(os.path.join(target, "README.md"))
        # The path of the base is this machine's; a set's order is the day's.
        settings_file = os.path.join(target, "adapter_config.json")
        with open(settings_file, encoding="utf-8") as file:
            settings = json.load(file)
        settings["base_model_name_or_path"] = "gqa-tied-bf16"
        if isinstance(settings["target_modules"], list):
            settings["target_modules"] = sorted(settings["target_modules"])
        with open(settings_file, "w", encoding="utf-8") as file:
            json.dump(settings, file, indent=2)
            file.write("\n")
        with open(os.path.join(target, "expected.json"), "w", encoding="utf-8") as file:
            json.dump({"batch": batch, "logprobs": logprobs}, file)
            file.write("\n")


if __name__ == "__main__":
    main()
