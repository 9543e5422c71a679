"""Makes src/test/resources/dev/troupe/rlhf/loss/trl-losses.json: losses, and their gradients by autograd, of TRL's own loss functions on
drawn log-probabilities, for TrlLossesTest to repeat.

    python make_trl_losses.py

Made with trl 1.16.0, torch 2.7.1, transformers 5.24.0. The trainers are not built: their loss methods run on a stand-in that has the
settings they read, and whose model "says" the drawn numbers. KTO's and DPO's losses live inside _compute_loss and run the same way.
Everything in float64.
"""

import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import torch
from trl.experimental.cpo.cpo_trainer import CPOTrainer
from trl.experimental.orpo.orpo_trainer import ORPOTrainer
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.kto_trainer import KTOTrainer
from trl.trainer.rloo_trainer import RLOOTrainer

TARGET = Path(__file__).resolve().parents[1] / "resources" / "dev" / "troupe" / "rlhf" / "loss" / "trl-losses.json"
RANDOM = torch.Generator().manual_seed(20260101)
LENGTHS = [5, 3, 6, 1]
WIDTH = max(LENGTHS)
MASK = torch.tensor([[1.0 if t < n else 0.0 for t in range(WIDTH)] for n in LENGTHS], dtype=torch.float64)


def drawn(spread, base=None):
    """Rows of numbers as floats of 12 bits after the point, so that JSON and float32 hold them exactly."""
    noise = torch.randn((len(LENGTHS), WIDTH), generator=RANDOM, dtype=torch.float64) * spread
    values = noise if base is None else base + noise
    return torch.round(values * 4096) / 4096


def rows(tensor):
    return [[float(x) for x in row[:n]] for row, n in zip(tensor, LENGTHS)]


ACCELERATOR = SimpleNamespace(
    device=torch.device("cpu"),
    num_processes=1,
    gather=lambda x: x,
    gather_for_metrics=lambda x: x,
    reduce=lambda x, reduction=None: x,
    sync_gradients=True,
)


class Anything(SimpleNamespace):
    """Settings that a loss reads and this golden leaves off are False, 0 or None."""

    def __getattr__(self, name):
        return None


def metrics():
    return {"train": defaultdict(list), "eval": defaultdict(list)}


LOGPS = -drawn(1.0).abs() - 0.0625
OLD = drawn(0.3, LOGPS)
REF = drawn(0.4, LOGPS)
ADVANTAGES = torch.tensor([1.0, -0.5, -1.5, 0.75], dtype=torch.float64)


def policy(loss_type, level="token", low=0.2, high=0.2, delta=None, beta=0.0, corrected=False, limit=8, **arguments):
    logps = LOGPS.clone().requires_grad_()
    trainer = Anything(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logps, torch.zeros_like(logps), None),
        aux_loss_enabled=False,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        importance_sampling_level=level,
        beta=beta,
        args=Anything(delta=delta, use_bias_correction_kl=corrected, steps_per_generation=1, **arguments),
        loss_type=loss_type,
        epsilon_low=low,
        epsilon_high=high,
        use_vllm=False,
        model=SimpleNamespace(training=True),
        max_completion_length=limit,
        current_gradient_accumulation_steps=1,
        accelerator=ACCELERATOR,
        _metrics=metrics(),
        _entropy_bonus_enabled=False,
    )
    ids = torch.zeros((len(LENGTHS), WIDTH), dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1],
        "completion_ids": ids,
        "completion_mask": MASK,
        "advantages": ADVANTAGES,
        "old_per_token_logps": OLD,
        "ref_per_token_logps": REF,
        "num_items_in_batch": MASK.sum(),
    }
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    return {"loss": float(loss), "gradient": rows(logps.grad)}


def rloo():
    logps = LOGPS.clone().requires_grad_()
    trainer = Anything(
        _get_per_token_logps_and_entropies=lambda *a, **k: (logps, torch.zeros_like(logps), None),
        aux_loss_enabled=False,
        epsilon_low=0.2,
        epsilon_high=0.2,
        model=SimpleNamespace(training=True),
        accelerator=ACCELERATOR,
        _metrics=metrics(),
    )
    ids = torch.zeros((len(LENGTHS), WIDTH), dtype=torch.long)
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": ids[:, :1],
        "completion_ids": ids,
        "completion_mask": MASK,
        "advantages": ADVANTAGES,
        "old_logps": (OLD * MASK).sum(1),
    }
    loss = RLOOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    return {"loss": float(loss), "gradient": rows(logps.grad)}


def fused(logps):
    """What TRL's patched model says of completions that fill the rows after one token of prompt."""
    return lambda **_: SimpleNamespace(
        log_probs=logps * MASK, entropy=torch.zeros_like(logps), mean_logits=torch.zeros_like(logps), is_top1=torch.zeros_like(logps).bool(), aux_loss=None
    )


def batch():
    mask = torch.cat([torch.zeros((len(LENGTHS), 1), dtype=torch.float64), MASK], dim=1)
    ids = torch.zeros_like(mask, dtype=torch.long)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "completion_mask": mask}


def kto():
    logps = LOGPS.clone().requires_grad_()
    # Mismatched completions: their log-ratios' mean is the reference point.
    policy_kl = torch.tensor([-3.0, -2.5, -4.0, -1.0], dtype=torch.float64)
    ref_kl = torch.tensor([-3.5, -2.25, -4.75, -1.25], dtype=torch.float64)
    trainer = Anything(
        model=SimpleNamespace(training=True),
        accelerator=ACCELERATOR,
        aux_loss_enabled=False,
        precompute_ref_logps=True,
        calculate_KL=True,
        loss_type="kto",
        beta=0.3,
        desirable_weight=1.2,
        undesirable_weight=0.8,
        _compute_kl_logps=lambda model, given: policy_kl,
        _metrics=metrics(),
        _total_train_tokens=0,
        _tp_size=1,
    )
    inputs = dict(
        batch(),
        label=torch.tensor([True, False, True, False]),
        ref_logps=(REF * MASK).sum(1),
        ref_KL_logps=ref_kl,
    )
    loss = KTOTrainer._compute_loss(trainer, fused(logps), inputs, False)
    loss.backward()
    point = [float(x) for x in policy_kl - ref_kl]
    return {"loss": float(loss), "gradient": rows(logps.grad), "mismatchedLogRatios": point}


def dpo(loss_types, weights, smoothing=0.0):
    """Rows 0 and 1 are chosen, rows 2 and 3 rejected."""
    logps = LOGPS.clone().requires_grad_()
    trainer = Anything(
        model=SimpleNamespace(training=True),
        accelerator=ACCELERATOR,
        aux_loss_enabled=False,
        precompute_ref_logps=True,
        ld_alpha=None,
        f_divergence_type="reverse_kl",
        beta=0.3,
        label_smoothing=smoothing,
        loss_types=loss_types,
        loss_weights=weights,
        use_weighting=False,
        _metrics=metrics(),
        _total_train_tokens=0,
        _tp_size=1,
    )
    ref = (REF * MASK).sum(1)
    inputs = dict(batch(), ref_chosen_logps=ref[:2], ref_rejected_logps=ref[2:])
    loss = DPOTrainer._compute_loss(trainer, fused(logps), inputs, False)
    loss.backward()
    return {"loss": float(loss), "gradient": rows(logps.grad)}


def sides(logps, average):
    sums = (logps * MASK).sum(1)
    side = sums / MASK.sum(1) if average else sums
    return side[:2], side[2:]


def nll(logps, mask):
    return -(logps * mask).sum() / mask.sum()


def cpo(loss_type, alpha, smoothing=0.0):
    logps = LOGPS.clone().requires_grad_()
    trainer = SimpleNamespace(
        alpha=0.0, beta=0.3, label_smoothing=smoothing, loss_type=loss_type, simpo_gamma=0.5, accelerator=ACCELERATOR
    )
    losses, _, _ = CPOTrainer.cpo_loss(trainer, *sides(logps, loss_type in ("simpo", "ipo")))
    loss = losses.mean() + alpha * nll(logps[:2], MASK[:2])  # get_batch_loss_metrics
    loss.backward()
    return {"loss": float(loss), "gradient": rows(logps.grad)}


def orpo():
    """The first two tokens of row 0 and the first of row 1 stand for the prompt, which TRL imitates too."""
    logps = LOGPS.clone().requires_grad_()
    answers = MASK.clone()
    answers[0, :2] = 0
    answers[1, :1] = 0
    mean = (logps * answers).sum(1) / answers.sum(1)
    # odds_ratio_loss makes float32 of its arguments.
    class Double(torch.Tensor):
        def float(self):
            return self

    trainer = SimpleNamespace(beta=0.3, accelerator=ACCELERATOR)
    chosen, rejected = (x.as_subclass(Double) for x in (mean[:2], mean[2:]))
    losses, _, _, _, log_odds = ORPOTrainer.odds_ratio_loss(trainer, chosen, rejected)
    loss = nll(logps[:2], MASK[:2]) - losses.mean()  # get_batch_loss_metrics
    loss = loss.as_subclass(torch.Tensor)
    loss.backward()
    return {"loss": float(loss), "gradient": rows(logps.grad), "logOdds": float(log_odds)}


CASES = {
    "grpo": policy("grpo"),
    "grpo-kl": policy("grpo", beta=0.3),
    "grpo-kl-corrected": policy("grpo", beta=0.3, corrected=True),
    "dapo-kl-corrected": policy("dapo", high=0.28, beta=0.3, corrected=True),
    "dapo": policy("dapo", high=0.28),
    "dapo-two-sided": policy("dapo", delta=1.3, high=0.28),
    "dr-grpo": policy("dr_grpo"),
    "gspo": policy("grpo", level="sequence", low=0.05, high=0.1),
    "cispo": policy("cispo", high=1.1),
    "sapo": policy("sapo", sapo_temperature_pos=1.0, sapo_temperature_neg=1.25),
    "rloo": rloo(),
    "kto": kto(),
    "dpo-sigmoid": dpo(["sigmoid"], [1.0]),
    "dpo-sigmoid-norm": dpo(["sigmoid_norm"], [1.0]),
    "dpo-hinge": dpo(["hinge"], [1.0]),
    "dpo-ipo": dpo(["ipo"], [1.0]),
    "dpo-robust": dpo(["robust"], [1.0], 0.1),
    "dpo-sigmoid-sft": dpo(["sigmoid", "sft"], [1.0, 0.7]),
    "cpo": cpo("sigmoid", 1.0, 0.1),
    "cpo-hinge": cpo("hinge", 0.5),
    "simpo": cpo("simpo", 0.0),
    "simpo-nll": cpo("simpo", 1.0),
    "orpo": orpo(),
}

TARGET.parent.mkdir(parents=True, exist_ok=True)
golden = {
    "logprobs": rows(LOGPS),
    "oldLogprobs": rows(OLD),
    "refLogprobs": rows(REF),
    "advantages": ADVANTAGES.tolist(),
    "cases": CASES,
}
TARGET.write_text(json.dumps(golden, indent=1) + "\n")
print(f"{len(CASES)} cases, {TARGET.stat().st_size} bytes")
