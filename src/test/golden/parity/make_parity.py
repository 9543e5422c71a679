"""Makes src/test/resources/parity: twenty training steps of a tiny Llama by the Python peers, for ParityTest to repeat.

    python make_parity.py

SFT by transformers + peft, SFT of every weight by transformers, the reward model through TRL's RewardTrainer.compute_loss, DPO (sigmoid
with label smoothing, and IPO) through TRL's DPOTrainer.dpo_loss, PPO's policy and value steps by a transcription of the formulas in torch,
its whitening and masked means by TRL's own functions. Everything in float32 on one thread. AdamW as torch has it, one parameter group, decay
on all of it. Learning rates as the schedule of Troupe gives them (its warm-up ends one step earlier than transformers': the first
step has peak / warm-up, theirs has 0), stated per step.
"""

import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import peft
import torch
import torch.nn.functional as F
import transformers
import trl
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification
from trl.core import masked_mean, masked_whiten
from trl.trainer.dpo_trainer import DPOTrainer, FDivergenceType
from trl.trainer.reward_trainer import RewardTrainer

TARGET = Path(__file__).resolve().parents[2] / "resources" / "parity"
STEPS, WARMUP, PEAK, DECAY, CLIP = 20, 4, 1e-2, 0.01, 1.0
VOCABULARY, PAD = 97, 0
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

torch.manual_seed(0)
torch.set_num_threads(1)
RANDOM = torch.Generator().manual_seed(7)


def rate(step):
    if step < WARMUP:
        return PEAK * (step + 1) / WARMUP
    return PEAK * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


def config(**more):
    return LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
        initializer_range=0.15, bos_token_id=1, eos_token_id=2, pad_token_id=PAD, attn_implementation="eager", **more)


def tokens(count):
    return torch.randint(3, VOCABULARY, (count,), generator=RANDOM).tolist()


def length(least, most):
    return int(torch.randint(least, most + 1, (1,), generator=RANDOM))


def padded(rows):
    size = max(map(len, rows))
    ids = torch.tensor([row + [PAD] * (size - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (size - len(row)) for row in rows])
    return ids, mask


def logprobs(model, rows, prompts):
    """Of each row's tokens from its prompt's end on."""
    ids, mask = padded(rows)
    logits = model(input_ids=ids, attention_mask=mask).logits
    out = []
    for i, (row, prompt) in enumerate(zip(rows, prompts)):
        target = torch.tensor(row[prompt:])
        z = logits[i, prompt - 1:len(row) - 1]
        out.append(torch.log_softmax(z, -1).gather(1, target[:, None]).squeeze(1))
    return out


class Run:
    """Twenty steps of AdamW, and what each of them was."""

    def __init__(self, parameters):
        self.parameters = [p for p in parameters if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.parameters, lr=PEAK, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)
        self.steps = []

    def step(self, losses):
        """The losses of the micro-batches, each a function, so that only one graph is alive at a time."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate(len(self.steps))
        self.optimizer.zero_grad()
        total = 0.0
        for loss in losses:
            value = loss()
            value.backward()
            total += value.item()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, CLIP).item()
        self.optimizer.step()
        self.steps.append({"loss": total, "gradientNorm": norm, "learningRate": rate(len(self.steps))})


def lora(model, task, **more):
    adapted = get_peft_model(model, LoraConfig(
        task_type=task, r=4, lora_alpha=8, lora_dropout=0.0, target_modules=LINEARS, **more))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.05, generator=RANDOM)
    return adapted


def base(cls=LlamaForCausalLM, **more):
    return cls.from_pretrained(TARGET / "model", dtype=torch.float32, attn_implementation="eager", **more)


def save(model, directory):
    shutil.rmtree(directory, ignore_errors=True)
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    adapter = directory / "adapter_config.json"
    if adapter.exists():
        # peft writes where the model lay on the machine that made the file
        config = json.loads(adapter.read_text())
        config["base_model_name_or_path"] = "parity/model"
        adapter.write_text(json.dumps(config, indent=2, sort_keys=True))


def write(case, run, batches, **more):
    with open(TARGET / case / "steps.json", "w") as out:
        json.dump({"steps": run.steps, "batches": batches, **more}, out)


def start(case):
    shutil.rmtree(TARGET / case, ignore_errors=True)
    (TARGET / case).mkdir(parents=True)


def texts(count):
    rows = []
    for _ in range(count):
        prompt = length(2, 6)
        rows.append({"tokens": tokens(prompt + length(1, 14)), "prompt": prompt})
    return rows


def sft(case, model):
    start(case)
    if isinstance(model, peft.PeftModel):
        save(model, TARGET / case / "initial")
    run, batches = Run(model.parameters()), []
    for _ in range(STEPS):
        batch = texts(4)
        trained = sum(len(e["tokens"]) - e["prompt"] for e in batch)

        def nll(part):
            found = logprobs(model, [e["tokens"] for e in part], [e["prompt"] for e in part])
            return -torch.cat(found).sum() / trained

        run.step([lambda p=part: nll(p) for part in (batch[:2], batch[2:])])
        batches.append(batch)
    save(model, TARGET / case / "final")
    write(case, run, batches)


def pairs(count):
    rows = []
    for _ in range(count):
        prompt = tokens(length(2, 6))
        rows.append({"prompt": len(prompt), "chosen": prompt + tokens(length(1, 10)), "rejected": prompt + tokens(length(1, 10))})
    return rows


def reward(case):
    start(case)
    model = base(LlamaForSequenceClassification, num_labels=1)
    model.score.weight.data.normal_(0, 0.3, generator=RANDOM)
    model = lora(model, "SEQ_CLS", modules_to_save=["score"])
    save(model, TARGET / case / "initial")
    run, batches = Run(model.parameters()), []
    gather = lambda value: value
    self = SimpleNamespace(
        model=model, args=SimpleNamespace(center_rewards_coefficient=0.01), _total_train_tokens=0,
        accelerator=SimpleNamespace(gather=gather, gather_for_metrics=gather),
        _metrics={"train": {k: [] for k in ["num_tokens", "min_reward", "mean_reward", "max_reward", "accuracy", "margin"]}})
    model.train()
    for _ in range(STEPS):
        batch = pairs(4)
        ids, mask = padded([e["chosen"] for e in batch] + [e["rejected"] for e in batch])
        run.step([lambda: RewardTrainer.compute_loss(self, model, {"input_ids": ids, "attention_mask": mask})])
        batches.append(batch)
    save(model, TARGET / case / "final")
    write(case, run, batches, accuracies=self._metrics["train"]["accuracy"])


def dpo(case, variant, smoothing):
    start(case)
    model = lora(base(), "CAUSAL_LM")
    save(model, TARGET / case / "initial")
    self = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu"), reference_free=False, f_divergence_type=FDivergenceType.REVERSE_KL,
        f_divergence_params=None, beta=0.2, label_smoothing=smoothing)
    run, batches = Run(model.parameters()), []

    def sums(batch, side):
        found = logprobs(model, [e[side] for e in batch], [e["prompt"] for e in batch])
        return torch.stack([l.sum() for l in found]), torch.tensor([len(l) for l in found])

    for _ in range(STEPS):
        batch = pairs(4)
        with torch.no_grad(), model.disable_adapter():
            reference = {side: sums(batch, side)[0] for side in ("chosen", "rejected")}
        for i, e in enumerate(batch):
            e["refChosen"], e["refRejected"] = reference["chosen"][i].item(), reference["rejected"][i].item()

        def loss():
            sides = []
            for side in ("chosen", "rejected"):
                value, count = sums(batch, side)
                # TRL's concatenated_forward divides by the completion's length for IPO.
                per = count if variant == "ipo" else 1
                sides.append((value / per, reference[side] / per))
            (chosen, ref_chosen), (rejected, ref_rejected) = sides
            return DPOTrainer.dpo_loss(self, chosen, rejected, ref_chosen, ref_rejected, loss_type=variant)[0].mean()

        run.step([loss])
        batches.append(batch)
    save(model, TARGET / case / "final")
    write(case, run, batches)


def ppo(case):
    """Fixed rollouts and rewards; five rounds: GAE, whitening, one policy step and one critic step each."""
    start(case)
    policy = lora(base(), "CAUSAL_LM")
    critic = base(LlamaForSequenceClassification, num_labels=1)
    critic.score.weight.data.normal_(0, 0.3, generator=RANDOM)
    critic = lora(critic, "SEQ_CLS", modules_to_save=["score"])
    save(policy, TARGET / case / "policy-initial")
    save(critic, TARGET / case / "critic-initial")
    runs = {"policy": Run(policy.parameters()), "critic": Run(critic.parameters())}
    rounds = []

    def values(rows, prompts):
        ids, mask = padded(rows)
        hidden = critic.base_model.model.model(input_ids=ids, attention_mask=mask).last_hidden_state
        all_values = critic.base_model.model.score(hidden).squeeze(-1)
        return [all_values[i, p - 1:len(r) - 1] for i, (r, p) in enumerate(zip(rows, prompts))]

    for _ in range(5):
        batch = texts(4)
        rows, prompts = [e["tokens"] for e in batch], [e["prompt"] for e in batch]
        with torch.no_grad():
            now = logprobs(policy, rows, prompts)
            with policy.disable_adapter():
                reference = logprobs(policy, rows, prompts)
            old_values = values(rows, prompts)
        # The policy that sampled was another one, so that ratios differ from 1.
        old = [l + 0.2 * torch.randn(l.shape, generator=RANDOM) for l in now]
        scores = torch.randn(len(batch), generator=RANDOM)
        size = max(len(l) for l in old)
        mask = torch.zeros(len(batch), size, dtype=torch.bool)
        rewards, advantages = torch.zeros(len(batch), size), torch.zeros(len(batch), size)
        for i, l in enumerate(old):
            n = len(l)
            mask[i, :n] = True
            rewards[i, :n] = -0.1 * (l - reference[i])
            rewards[i, n - 1] += scores[i]
            last = 0.0
            for t in reversed(range(n)):
                following = old_values[i][t + 1] if t + 1 < n else 0.0
                last = rewards[i, t] + 0.99 * following - old_values[i][t] + 0.99 * 0.95 * last
                advantages[i, t] = last
        returns = [advantages[i, :len(l)] + old_values[i] for i, l in enumerate(old)]
        whitened = masked_whiten(advantages, mask)
        for i, e in enumerate(batch):
            n = len(old[i])
            e.update(old=old[i].tolist(), reference=reference[i].tolist(), values=old_values[i].tolist(), score=scores[i].item(),
                     rewards=rewards[i, :n].tolist(), advantages=advantages[i, :n].tolist(), returns=returns[i].tolist(),
                     whitened=whitened[i, :n].tolist())

        def stacked(rows_of):
            return torch.stack([F.pad(r, (0, size - len(r))) for r in rows_of])

        def policy_loss():
            ratio = torch.exp(stacked(logprobs(policy, rows, prompts)) - stacked(old))
            losses = torch.max(-whitened * ratio, -whitened * torch.clamp(ratio, 0.8, 1.2))
            return masked_mean(losses, mask)

        def value_loss():
            v, before, target = stacked(values(rows, prompts)), stacked(old_values), stacked(returns)
            clipped = torch.clamp(v, before - 0.2, before + 0.2)
            return 0.5 * masked_mean(torch.max((v - target) ** 2, (clipped - target) ** 2), mask)

        runs["policy"].step([policy_loss])
        runs["critic"].step([value_loss])
        rounds.append(batch)
    save(policy, TARGET / case / "policy-final")
    save(critic, TARGET / case / "critic-final")
    with open(TARGET / case / "steps.json", "w") as out:
        json.dump({"policy": runs["policy"].steps, "critic": runs["critic"].steps, "batches": rounds}, out)


TARGET.mkdir(parents=True, exist_ok=True)
model = LlamaForCausalLM(config())
for name, parameter in model.named_parameters():
    if "norm" in name:
        parameter.data.normal_(1, 0.2)
save(model, TARGET / "model")
sft("sft-lora", lora(base(), "CAUSAL_LM"))
sft("sft-full", base())
reward("reward")
dpo("dpo", "sigmoid", 0.1)
dpo("dpo-ipo", "ipo", 0.0)
ppo("ppo")
versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "trl": trl.__version__}
(TARGET / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
