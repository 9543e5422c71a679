"""What the scripts beside it share: a trainer's own loss, made to train the tiny Llama of make_parity.py for ten steps.

Everything in float32 on one thread. AdamW as torch has it, decay on every trained number, gradients clipped to norm 1, learning rates as
the schedule of Troupe gives them.
"""

import collections
import contextlib
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import peft
import torch
import transformers
import trl
from peft import LoraConfig, get_peft_model
from transformers import LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

TARGET = Path(__file__).resolve().parents[2] / "resources" / "parity"
STEPS, WARMUP, PEAK, DECAY, CLIP = 10, 2, 1e-2, 0.01, 1.0
VOCABULARY, PAD = 97, 0
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

torch.set_num_threads(1)
RANDOM = torch.Generator()


def seed(value):
    torch.manual_seed(value)
    RANDOM.manual_seed(value)


def rate(step):
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return PEAK * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def tokens(least, most):
    count = int(torch.randint(least, most + 1, (1,), generator=RANDOM))
    return torch.randint(3, VOCABULARY, (count,), generator=RANDOM).tolist()


def padded(rows, value):
    size = max(map(len, rows))
    return torch.tensor([row + [value] * (size - len(row)) for row in rows])


def collated(rows, prompts):
    """Ids, attention and completion mask as TRL's collators give them."""
    return (padded(rows, PAD), padded([[1] * len(row) for row in rows], 0),
            padded([[0] * p + [1] * (len(row) - p) for row, p in zip(rows, prompts)], 0))


def adapted():
    base = LlamaForCausalLM.from_pretrained(TARGET / "model", dtype=torch.float32, attn_implementation="eager")
    add_fused_lm_head(base, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    model = get_peft_model(base, LoraConfig(
        task_type="CAUSAL_LM", r=4, lora_alpha=8, lora_dropout=0.0, target_modules=LINEARS))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.05, generator=RANDOM)
    return model.train()


def trainer(kind, model, **attributes):
    """The trainer's loss without what surrounds it: data, devices, logging."""
    made = object.__new__(kind)
    made.model, made.ref_model = model, None
    made.accelerator = SimpleNamespace(
        device="cpu", is_main_process=False, num_processes=1, autocast=contextlib.nullcontext, reduce=lambda value, reduction: value, gather=lambda value: value, gather_for_metrics=lambda value: value, unwrap_model=lambda value: value)
    made._metrics = collections.defaultdict(lambda: collections.defaultdict(list))
    made._total_train_tokens, made._tp_size = 0, 1
    made.aux_loss_enabled = made.precompute_ref_logps = made.is_encoder_decoder = False
    made.args = SimpleNamespace(gradient_checkpointing_kwargs=None)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def save(model, directory):
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    file = directory / "adapter_config.json"
    # peft writes where the model lay on the machine that made the file
    config = json.loads(file.read_text())
    config["base_model_name_or_path"] = "parity/model"
    config["target_modules"] = sorted(config["target_modules"])  # a set: its order changes from run to run
    file.write_text(json.dumps(config, indent=2, sort_keys=True))


def train(case, batch_of, loss_of, model):
    directory = TARGET / case
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    save(model, directory / "initial")
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=PEAK, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
    steps, batches = [], []
    for step in range(STEPS):
        batch = batch_of(model)
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, CLIP).item()
        optimizer.step()
        steps.append({"loss": loss.item(), "gradientNorm": norm, "learningRate": rate(step)})
        batches.append(batch)
    save(model, directory / "final")
    (directory / "steps.json").write_text(json.dumps({"steps": steps, "batches": batches}))


def write_versions(name):
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "trl": trl.__version__}
    (TARGET / name).write_text(json.dumps(versions, indent=2) + "\n")
