"""Twenty steps of SFT by each way of tuning, as peft takes them, or transformers where peft has no such method, for TuningParityTest to repeat.

    OMP_NUM_THREADS=1 python make_tuning.py [CASE ...]

On the model of make_parity.py; BitFit on one with biases, which is made here. float32, one thread, AdamW as torch has it, its rates as make_parity.py has them.
"""

import json
import math
import re
import shutil
import sys
from pathlib import Path

import peft
import torch
import transformers
from peft import (
    AdaLoraConfig, BOFTConfig, IA3Config, LNTuningConfig, LoHaConfig, LoKrConfig, LoraConfig, OFTConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig,
    VeraConfig, get_peft_model)
from peft.optimizers import create_loraplus_optimizer
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM

TARGET = Path(__file__).resolve().parents[2] / "resources" / "parity"
STEPS, WARMUP, PEAK, DECAY, CLIP, RATIO = 20, 4, 1e-2, 0.01, 1.0, 6
VOCABULARY, PAD = 97, 0

torch.manual_seed(0)
torch.set_num_threads(1)
RANDOM = torch.Generator().manual_seed(17)

LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PEFT = {
    "ln-tuning": LNTuningConfig(target_modules=["input_layernorm", "post_attention_layernorm", "norm"]),
    "lora-modules": LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], modules_to_save=["lm_head"]),
    "ia3": IA3Config(target_modules=["k_proj", "v_proj", "down_proj"], feedforward_modules=["down_proj"]),
    "loha": LoHaConfig(r=3, alpha=6, target_modules=LINEARS),
    "lokr": LoKrConfig(r=2, alpha=4, target_modules=LINEARS),
    "oft": OFTConfig(r=0, oft_block_size=4, target_modules=LINEARS),
    "vera": VeraConfig(r=8, target_modules=LINEARS),
    "boft": BOFTConfig(boft_block_size=4, target_modules=LINEARS),
    "pissa": LoraConfig(r=4, lora_alpha=8, target_modules=LINEARS, init_lora_weights="pissa"),
    "olora": LoraConfig(r=4, lora_alpha=8, target_modules=LINEARS, init_lora_weights="olora"),
    "lora-bias": LoraConfig(r=4, lora_alpha=8, target_modules=LINEARS, lora_bias=True),
    "lora-vocabulary": LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "embed_tokens", "lm_head"]),
    "lora-tokens": LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], trainable_token_indices=[3, 11, 40]),
    "prefix": PrefixTuningConfig(num_virtual_tokens=4),
    "prefix-encoder": PrefixTuningConfig(num_virtual_tokens=4, prefix_projection=True, encoder_hidden_size=16),
    "prompt": PromptTuningConfig(num_virtual_tokens=4),
    "p-tuning": PromptEncoderConfig(num_virtual_tokens=4, encoder_hidden_size=16),
    "lora-plus": LoraConfig(r=4, lora_alpha=8, target_modules=LINEARS, use_dora=True),
    "adalora": AdaLoraConfig(init_r=4, target_r=2, tinit=3, tfinal=5, deltaT=2, total_step=STEPS, lora_alpha=8, target_modules=LINEARS),
}


def rate(step):
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return PEAK * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def tokens(count):
    return torch.randint(3, VOCABULARY, (count,), generator=RANDOM).tolist()


def length(least, most):
    return int(torch.randint(least, most + 1, (1,), generator=RANDOM))


def texts(count):
    rows = []
    for _ in range(count):
        prompt = length(2, 6)
        rows.append({"tokens": tokens(prompt + length(1, 14)), "prompt": prompt})
    return rows


def logprobs(model, rows):
    """Of each row's tokens from its prompt's end on."""
    out = []
    for row in rows:
        logits = model(input_ids=torch.tensor([row["tokens"]])).logits[0][-len(row["tokens"]):]  # virtual tokens may have logits too
        target = torch.tensor(row["tokens"][row["prompt"]:])
        out.append(torch.log_softmax(logits[row["prompt"] - 1:len(row["tokens"]) - 1], -1).gather(1, target[:, None]).squeeze(1))
    return torch.cat(out)


def orthogonality(model):
    """As AdaLoraModel.forward adds it where it is given labels."""
    terms = []
    for name, p in model.named_parameters():
        if "lora_A" in name or "lora_B" in name:
            square = p @ p.T if "lora_A" in name else p.T @ p
            terms.append(torch.norm(square - torch.eye(len(square)), p="fro"))
    return model.peft_config["default"].orth_reg_weight * sum(terms) / len(terms)


def train(case, model, save):
    parameters = [p for p in model.parameters() if p.requires_grad]
    adam = dict(betas=(0.9, 0.999), eps=1e-8)
    if case == "lora-plus":
        optimizer = create_loraplus_optimizer(model, torch.optim.AdamW, lr=PEAK, loraplus_lr_ratio=RATIO, loraplus_weight_decay=DECAY, **adam)
    else:
        optimizer = torch.optim.AdamW(parameters, lr=PEAK, weight_decay=DECAY, **adam)
    ratios = [group["lr"] / PEAK for group in optimizer.param_groups]
    steps, batches = [], []
    for step in range(STEPS):
        batch = texts(4)
        for group, ratio in zip(optimizer.param_groups, ratios):
            group["lr"] = rate(step) * ratio
        optimizer.zero_grad()
        loss = -logprobs(model, batch).mean()
        if case == "adalora":
            (loss + orthogonality(model)).backward()
        else:
            loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP).item()
        optimizer.step()
        if case == "adalora":
            model.base_model.update_and_allocate(step)
        steps.append({"loss": loss.item(), "gradientNorm": norm, "learningRate": rate(step)})
        batches.append(batch)
    save(model, TARGET / case / "final")
    with open(TARGET / case / "steps.json", "w") as out:
        json.dump({"steps": steps, "batches": batches}, out)


def base(name="model"):
    return LlamaForCausalLM.from_pretrained(TARGET / name, dtype=torch.float32, attn_implementation="eager")


def save_adapter(model, directory):
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    encoder = getattr(model, "prompt_encoder", None)
    if encoder is not None and len(encoder["default"].state_dict()) > 1:
        # peft keeps the encoder's output alone; the encoder is where Troupe has it
        save_file({k: v.detach().clone() for k, v in encoder["default"].state_dict().items()}, directory / "prompt_encoder.safetensors")
    (directory / "README.md").unlink(missing_ok=True)
    if directory.name == "final":
        # the base's matrices under pairs of their own
        tensors = load_file(directory / "adapter_model.safetensors")
        save_file({k: v for k, v in tensors.items() if ".base_layer." not in k}, directory / "adapter_model.safetensors", metadata={"format": "pt"})
    file = directory / "adapter_config.json"
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = "parity/model"
    for key in ("target_modules", "feedforward_modules"):
        if isinstance(config.get(key), list):
            config[key] = sorted(config[key])
    file.write_text(json.dumps(config, indent=2, sort_keys=True))


def save_trained(model, directory):
    """What is trained of a model, under the names that Troupe gives it, as peft has no such method."""
    directory.mkdir(parents=True)
    tensors = {"base_model.model." + name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    save_file(tensors, directory / "adapter_model.safetensors", metadata={"format": "pt"})


def start(case):
    shutil.rmtree(TARGET / case, ignore_errors=True)
    (TARGET / case).mkdir(parents=True)


def biased():
    """A model whose linear layers have biases, none of them 0."""
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
        initializer_range=0.15, bos_token_id=1, eos_token_id=2, pad_token_id=PAD, attention_bias=True, mlp_bias=True,
        attn_implementation="eager")
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".bias"):
                parameter.normal_(0, 0.1, generator=RANDOM)
    shutil.rmtree(TARGET / "model-biased", ignore_errors=True)
    model.save_pretrained(TARGET / "model-biased")


def selected(case, model, chosen):
    start(case)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(bool(re.fullmatch(chosen, name)))
    train(case, model, save_trained)


def main():
    wanted = sys.argv[1:]
    if not wanted:
        biased()
        selected("bitfit", base("model-biased"), r".*\.bias")
        selected("partial", base(), r"model\.layers\.1\..*|lm_head\.weight")
    for case, choices in PEFT.items():
        if wanted and case not in wanted:
            continue
        start(case)
        choices.task_type = "CAUSAL_LM"
        model = get_peft_model(base("model-biased" if case == "lora-bias" else "model"), choices)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.05 * torch.randn(parameter.shape, generator=RANDOM))
        save_adapter(model, TARGET / case / "initial")
        train(case, model, save_adapter)
    with open(TARGET / "tuning-versions.json", "w") as out:
        json.dump({"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__}, out)


if __name__ == "__main__":
    main()
