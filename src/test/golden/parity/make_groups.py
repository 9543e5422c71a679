"""Adds to src/test/resources/parity what TRL 1.16's trainers without a critic do on fixed rollouts, for GroupParityTest.

    python make_groups.py

After make_parity.py, whose tiny Llama it trains. Ten steps each by the trainers' own loss (GRPOTrainer._compute_loss with its loss types and
both importance sampling levels, RLOOTrainer._compute_loss), on two groups of four answers a step, sampled by another policy than the one
that learns. Advantages as _generate_and_score_completions makes them.
"""

from types import SimpleNamespace

import torch
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

from trainers import PAD, RANDOM, adapted, collated, seed, tokens, train, trainer, write_versions

GROUPS, ANSWERS, LONGEST = 2, 4, 10


def scored(model, ids, attention, completion):
    found = model(input_ids=ids, attention_mask=attention, labels=ids.masked_fill(completion == 0, -100), fused_lm_head=True)
    return found.log_probs


def rollouts(noise, advantages_of):
    def batch_of(model):
        batch = []
        for _ in range(GROUPS):
            prompt = tokens(2, 6)
            for _ in range(ANSWERS):
                batch.append({"prompt": len(prompt), "tokens": prompt + tokens(1, LONGEST)})
        prompts = [e["prompt"] for e in batch]
        inputs = collated([e["tokens"] for e in batch], prompts)
        with torch.no_grad():
            now = scored(model, *inputs)
            with model.disable_adapter():
                reference = scored(model, *inputs)
        for i, e in enumerate(batch):
            answer = slice(e["prompt"] - 1, len(e["tokens"]) - 1)
            count = len(e["tokens"]) - e["prompt"]
            e["old"] = (now[i, answer] + noise * torch.randn(count, generator=RANDOM)).tolist()
            e["reference"] = reference[i, answer].tolist()
            e["score"] = torch.randint(0, 3, (1,), generator=RANDOM).item() + 0.25 * torch.rand(1, generator=RANDOM).item()
        for e, advantage in zip(batch, advantages_of(batch)):
            e["advantage"] = advantage
        return batch

    return batch_of


def scores(batch):
    return torch.tensor([e["score"] for e in batch]).view(GROUPS, ANSWERS)


def group_relative(scale):
    """By the mean and, where it is scaled, the deviation of the group or of the batch."""
    def of(batch):
        r = scores(batch)
        centred = r - r.mean(1, keepdim=True)
        if scale == "group":
            centred = centred / (r.std(1, keepdim=True) + 1e-4)
        if scale == "batch":
            centred = centred / (r.std() + 1e-4)
        return centred.flatten().tolist()

    return of


def leave_one_out(beta):
    """With the sequence's KL estimate taken off the score before."""
    def of(batch):
        kl = torch.tensor([sum(o - r for o, r in zip(e["old"], e["reference"])) for e in batch]).view(GROUPS, ANSWERS)
        r = scores(batch) - beta * kl
        others = (r.sum(1, keepdim=True) - r) / (ANSWERS - 1)
        return (r - others).flatten().tolist()

    return of


def inputs_of(batch):
    """Prompts padded on the left, completions on the right."""
    longest = max(e["prompt"] for e in batch)
    rows = [e["tokens"][:e["prompt"]] for e in batch]
    answers = [e["tokens"][e["prompt"]:] for e in batch]
    size = max(map(len, answers))

    def right(values, fill):
        return torch.tensor([list(v) + [fill] * (size - len(v)) for v in values])

    return {
        "prompt_ids": torch.tensor([[PAD] * (longest - len(r)) + r for r in rows]),
        "prompt_mask": torch.tensor([[0] * (longest - len(r)) + [1] * len(r) for r in rows]),
        "completion_ids": right(answers, PAD),
        "completion_mask": right([[1] * len(a) for a in answers], 0),
        "old_per_token_logps": right([e["old"] for e in batch], 0.0),
        "ref_per_token_logps": right([e["reference"] for e in batch], 0.0),
        "old_logps": torch.tensor([sum(e["old"]) for e in batch]),
        "advantages": torch.tensor([e["advantage"] for e in batch]),
        "num_items_in_batch": torch.tensor(float(sum(map(len, answers)))),
    }


def run(case, kind, batch_of, arguments=(), **attributes):
    model = adapted()
    made = trainer(
        kind, model, temperature=1.0, beta=0.0, importance_sampling_level="token", top_entropy_quantile=1.0,
        off_policy_mask_threshold=None, use_vllm=False, epsilon_low=0.2, epsilon_high=0.2, max_completion_length=LONGEST,
        current_gradient_accumulation_steps=1, _entropy_bonus_enabled=False)
    made.args = SimpleNamespace(**{
        "gradient_checkpointing_kwargs": None, "delta": None, "use_bias_correction_kl": False, "steps_per_generation": 1,
        "sapo_temperature_pos": 1.0, "sapo_temperature_neg": 1.05, **dict(arguments)})
    for name, value in attributes.items():
        setattr(made, name, value)
    train(case, batch_of, lambda batch: made._compute_loss(model, inputs_of(batch)), model)


seed(12)
run("grpo", GRPOTrainer, rollouts(0.2, group_relative("group")), loss_type="grpo", beta=0.04)
run("dr-grpo", GRPOTrainer, rollouts(0.2, group_relative("none")), loss_type="dr_grpo")
run("dapo", GRPOTrainer, rollouts(0.3, group_relative("group")), loss_type="dapo", epsilon_high=0.28, arguments={"delta": 1.5})
run("cispo", GRPOTrainer, rollouts(0.4, group_relative("batch")), loss_type="cispo", epsilon_high=1.3)
run("gspo", GRPOTrainer, rollouts(0.05, group_relative("group")), loss_type="grpo", importance_sampling_level="sequence",
    epsilon_low=0.01, epsilon_high=0.02)
run("sapo", GRPOTrainer, rollouts(0.3, group_relative("group")), loss_type="sapo")
run("rloo", RLOOTrainer, rollouts(0.1, leave_one_out(0.05)))
run("grpo-corrected", GRPOTrainer, rollouts(0.2, group_relative("group")), loss_type="grpo", beta=0.04,
    arguments={"use_bias_correction_kl": True})
write_versions("groups-versions.json")
