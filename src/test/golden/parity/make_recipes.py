"""Makes src/test/resources/parity/recipes: ten optimiser steps each of TRL's GRPOTrainer and RLOOTrainer on fixed answers, for
GrpoRecipeParityTest to repeat.

    python make_recipes.py

The trainers are the real ones, and train; where they would sample they are handed answers that were drawn beforehand, and a reward function reads the scores
drawn with them. Five rounds of four prompts with four answers each, two passes over a round, so that ratios leave 1. The policy is the
tiny Llama of make_parity.py with the adapter that its DPO case starts from. AdamW with decay, gradients clipped to norm 1, a constant
rate. The KL is the estimate alone (use_bias_correction_kl off). float32 on one thread. Made with the versions that versions.json beside the results names.
"""

import json
import shutil
from pathlib import Path

import peft
import torch
import transformers
import trl
from datasets import Dataset
from peft import PeftModel
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

PARITY = Path(__file__).resolve().parents[2] / "resources" / "parity"
TARGET = PARITY / "recipes"
VOCABULARY, END, PROMPTS, ANSWERS, ROUNDS, PASSES, LONGEST = 97, 2, 4, 4, 5, 2, 9

torch.set_num_threads(1)
RANDOM = torch.Generator().manual_seed(11)


def drawn(least, most):
    return int(torch.randint(least, most + 1, (1,), generator=RANDOM))


def tokens(count):
    return torch.randint(3, VOCABULARY, (count,), generator=RANDOM).tolist()


# One prompt is a tie: all its answers have the same score in the first round.
PROMPT_TOKENS = [tokens(drawn(2, 6)) for _ in range(PROMPTS)]
ROUND = [
    [
        [
            {"tokens": tokens(drawn(1, LONGEST - 1)) + [END], "score": 0.25 if r == 0 and p == 1 else drawn(0, 8) / 4}
            for _ in range(ANSWERS)
        ]
        for p in range(PROMPTS)
    ]
    for r in range(ROUNDS)
]


def tokenizer():
    words = Tokenizer(WordLevel({f"w{i}": i for i in range(VOCABULARY)}, unk_token="w0"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="w0", bos_token="w1", eos_token="w2", unk_token="w0")


def case(name, trainer_class, config_class, batch=PROMPTS * ANSWERS, **settings):
    torch.manual_seed(0)
    base = LlamaForCausalLM.from_pretrained(PARITY / "model", dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(base, PARITY / "dpo" / "initial", is_trainable=True)
    losses = []

    class Watched(trainer_class):
        def compute_loss(self, *args, **kwargs):
            loss = super().compute_loss(*args, **kwargs)
            losses.append(loss.item())
            return loss

        def answers(self, prompts):
            seen = {}
            for prompt in prompts:
                index = int(prompt.split()[0][1:])
                found = ROUND[self.state.global_step // PASSES][index][seen.setdefault(index, 0)]
                seen[index] += 1
                yield index, found

        def _generate(self, prompts):
            everything = list(self.answers(prompts))
            self.scores = [found["score"] for _, found in everything]
            ids = [found["tokens"] for _, found in everything]
            asked = [PROMPT_TOKENS[index] for index, _ in everything]
            if trainer_class is GRPOTrainer:
                return asked, ids, None, [""] * len(ids), None, {}, None, []
            return asked, ids, [""] * len(ids)

    accumulation = PROMPTS * ANSWERS // batch
    trainer = None

    def score(completions, **_):
        return trainer.scores

    trainer = Watched(
        model=model,
        processing_class=tokenizer(),
        reward_funcs=score,
        train_dataset=Dataset.from_list([{"prompt": f"w{i}"} for i in range(PROMPTS)]),
        args=config_class(
            output_dir="unused", max_steps=ROUNDS * PASSES, num_iterations=PASSES, num_generations=ANSWERS,
            per_device_train_batch_size=batch, gradient_accumulation_steps=accumulation, steps_per_generation=accumulation,
            max_completion_length=LONGEST, learning_rate=5e-3, lr_scheduler_type="constant", weight_decay=0.01, max_grad_norm=1.0,
            adam_beta1=0.9, adam_beta2=0.999, adam_epsilon=1e-8, optim="adamw_torch", bf16=False, fp16=False, use_cpu=True,
            gradient_checkpointing=False, report_to=[], save_strategy="no", logging_strategy="no", disable_dropout=True,
            temperature=1.0, **settings))
    trainer.train()
    steps = [sum(losses[i:i + accumulation]) for i in range(0, len(losses), accumulation)]
    assert len(steps) == ROUNDS * PASSES, len(steps)
    (TARGET / name).mkdir()
    weights = peft.get_peft_model_state_dict(trainer.accelerator.unwrap_model(trainer.model), adapter_name="default")
    save_file({k: v.detach().clone().contiguous() for k, v in weights.items()}, TARGET / name / "adapter_model.safetensors")
    print(name, steps)
    return {"losses": steps, "batch": batch}


def grpo(name, **settings):
    return case(name, GRPOTrainer, GRPOConfig, **settings)


shutil.rmtree(TARGET, ignore_errors=True)
TARGET.mkdir(parents=True)
cases = {
    "grpo": grpo("grpo", loss_type="grpo", beta=0.04, use_bias_correction_kl=False, scale_rewards="group",
                 epsilon=0.2),
    "dr-grpo": grpo("dr-grpo", loss_type="dr_grpo", beta=0.0, scale_rewards="none", epsilon=0.2),
    "dapo": grpo("dapo", loss_type="dapo", beta=0.0, scale_rewards="group", epsilon=0.2, epsilon_high=0.28, batch=8),
    "bnpo": grpo("bnpo", loss_type="bnpo", beta=0.0, scale_rewards="group", epsilon=0.2),
    "gspo": grpo("gspo", loss_type="grpo", importance_sampling_level="sequence", beta=0.0, scale_rewards="group", epsilon=3e-4,
                 epsilon_high=4e-4),
    "cispo": grpo("cispo", loss_type="cispo", beta=0.0, scale_rewards="batch", epsilon_high=1.1),
    "sapo": grpo("sapo", loss_type="sapo", beta=0.0, scale_rewards="group"),
    "rloo": case("rloo", RLOOTrainer, RLOOConfig, beta=0.05, epsilon=0.2),
}
with open(TARGET / "steps.json", "w") as out:
    json.dump({"prompts": PROMPT_TOKENS, "rounds": ROUND, "cases": cases}, out)
versions = {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "trl": trl.__version__}
(TARGET / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
