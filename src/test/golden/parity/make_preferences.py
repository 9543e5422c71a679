"""Adds to src/test/resources/parity what the trainers of TRL 1.16 do on pairs and on answers judged one by one, for PreferenceParityTest.

    python make_preferences.py

After make_parity.py, whose tiny Llama it trains. Ten steps each by the trainers' own loss: KTO (KTOTrainer._compute_loss), ORPO and CPO
with SimPO (get_batch_loss_metrics), DPO robust, hinge, length-normalised and with the SFT term (DPOTrainer._compute_loss).
"""

import torch
from trl.experimental.cpo import CPOTrainer
from trl.experimental.orpo import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.kto_trainer import KTOTrainer

from trainers import PAD, adapted, collated, seed, tokens, train, trainer, write_versions


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


seed(11)
print("reference points", kto("kto"))
dpo("dpo-robust", ["robust"], [1.0], label_smoothing=0.1)
dpo("dpo-hinge", ["hinge"], [1.0])
dpo("dpo-norm", ["sigmoid_norm"], [1.0], beta=2.0)
dpo("dpo-sft", ["sigmoid", "sft"], [1.0, 0.3])
without_reference("orpo", ORPOTrainer, beta=0.3)
without_reference("cpo", CPOTrainer, beta=0.2, loss_type="sigmoid", cpo_alpha=0.7, alpha=0.0)
without_reference("simpo", CPOTrainer, beta=2.0, loss_type="simpo", simpo_gamma=0.5, cpo_alpha=0.0, alpha=0.0)
write_versions("preferences-versions.json")
