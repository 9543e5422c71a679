"""Adds to src/test/resources/parity what the trainers of TRL 1.16 do on pairs and on answers judged one by one, for PreferenceParityTest.

    python make_preferences.py

After make_parity.py, whose tiny Llama it trains. Ten steps each by the trainers' own loss: KTO (KTOTrainer._compute_loss), ORPO and CPO
with SimPO (get_batch_loss_metrics), DPO robust, hinge, length-normalised and with the SFT term (DPOTrainer._compute_loss). Everything in
float32 on one thread. AdamW as torch has it, decay on every trained number, gradients clipped to norm 1, learning rates as the schedule of
Troupe gives them.
"""

import collections
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
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.utils import add_fused_lm_head

TARGET = Path(__file__).resolve().parents[2] / "resources" / "parity"
STEPS, WARMUP, PEAK, DECAY, CLIP = 10, 2, 1e-2, 0.01, 1.0
VOCABULARY, PAD = 97, 0
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

torch.manual_seed(11)
torch.set_num_threads(1)
RANDOM = torch.Generator().manual_seed(11)


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
        device="cpu", gather=lambda value: value, gather_for_metrics=lambda value: value, unwrap_model=lambda value: value)
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


def sums(model, rows, prompts):
    """Of the completions' log-probabilities by the model without its adapter."""
    ids, attention, completion = collated(rows, prompts)
    with torch.no_grad(), model.disable_adapter():
        found = model(input_ids=ids, attention_mask=attention, labels=ids.masked_fill(completion == 0, -100), fused_lm_head=True)
    return found.log_probs.sum(-1).tolist()


def pairs(model):
    batch = []
    for _ in range(4):
        prompt = tokens(2, 6)
        batch.append({"prompt": len(prompt), "chosen": prompt + tokens(1, 10), "rejected": prompt + tokens(1, 10)})
    for side in ("Chosen", "Rejected"):
        rows = [pair[side.lower()] for pair in batch]
        for pair, value in zip(batch, sums(model, rows, [pair["prompt"] for pair in batch])):
            pair["ref" + side] = value
    return batch


def both(batch):
    return [e["chosen"] for e in batch] + [e["rejected"] for e in batch], [e["prompt"] for e in batch] * 2


def dpo(case, loss_types, loss_weights, **attributes):
    model = adapted()
    made = trainer(DPOTrainer, model, beta=0.2, label_smoothing=0.0, ld_alpha=None, f_divergence_type="reverse_kl",
                   use_weighting=False, loss_types=loss_types, loss_weights=loss_weights)
    for name, value in attributes.items():
        setattr(made, name, value)

    def loss(batch):
        ids, attention, completion = collated(*both(batch))
        return made._compute_loss(model, {"input_ids": ids, "attention_mask": attention, "completion_mask": completion}, False)

    train(case, pairs, loss, model)


def without_reference(case, kind, **attributes):
    model = adapted()
    made = trainer(kind, model, pad_token_id=PAD, label_smoothing=0.0, max_length=64, padding_value=PAD, **attributes)

    def loss(batch):
        inputs = {}
        for side in ("chosen", "rejected"):
            ids, attention, completion = collated([e[side] for e in batch], [e["prompt"] for e in batch])
            inputs[side + "_input_ids"], inputs[side + "_attention_mask"] = ids, attention
            inputs[side + "_labels"] = ids.masked_fill(completion == 0, -100)
        return made.get_batch_loss_metrics(model, inputs)[0]

    train(case, pairs, loss, model)


def kto(case):
    model = adapted()
    made = trainer(KTOTrainer, model, beta=0.2, loss_type="kto", calculate_KL=True, desirable_weight=1.0, undesirable_weight=1.3)

    def answers(model):
        batch = []
        for i in range(4):
            prompt = tokens(2, 6)
            batch.append({"prompt": len(prompt), "tokens": prompt + tokens(1, 10), "desirable": i % 3 != 1})
        for i, e in enumerate(batch):
            other = batch[i - 1]  # as TRL cycles them
            e["mismatched"] = e["tokens"][:e["prompt"]] + other["tokens"][other["prompt"]:]
        prompts = [e["prompt"] for e in batch]
        for key, rows in (("reference", "tokens"), ("refMismatched", "mismatched")):
            for e, value in zip(batch, sums(model, [e[rows] for e in batch], prompts)):
                e[key] = value
        return batch

    def loss(batch):
        prompts = [e["prompt"] for e in batch]
        inputs = {"label": torch.tensor([e["desirable"] for e in batch])}
        for prefix, key in (("", "tokens"), ("KL_", "mismatched")):
            ids, attention, completion = collated([e[key] for e in batch], prompts)
            inputs[prefix + "input_ids"], inputs[prefix + "attention_mask"] = ids, attention
            inputs[prefix + "completion_mask"] = completion
        return made._compute_loss(model, inputs, False)

    train(case, answers, loss, model)
    return made._metrics["train"]["kl"]


print("reference points", kto("kto"))
dpo("dpo-robust", ["robust"], [1.0], label_smoothing=0.1)
dpo("dpo-hinge", ["hinge"], [1.0])
dpo("dpo-norm", ["sigmoid_norm"], [1.0], beta=2.0)
dpo("dpo-sft", ["sigmoid", "sft"], [1.0, 0.3])
without_reference("orpo", ORPOTrainer, beta=0.3)
without_reference("cpo", CPOTrainer, beta=0.2, loss_type="sigmoid", cpo_alpha=0.7, alpha=0.0)
without_reference("simpo", CPOTrainer, beta=2.0, loss_type="simpo", simpo_gamma=0.5, cpo_alpha=0.0, alpha=0.0)
versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "trl": trl.__version__}
(TARGET / "preferences-versions.json").write_text(json.dumps(versions, indent=2) + "\n")
