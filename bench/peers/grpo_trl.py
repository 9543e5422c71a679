"""GRPO iterations by TRL's GRPOTrainer with PEFT, as a user runs it: groups of answers sampled by transformers, the adapter switched off is the
reference, a rule scores. Prints seconds per iteration."""
import tempfile
import time

import torch
from common import parser, report
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

p = parser(groups=8, answers=8, prompt_tokens=64, new_tokens=64, micro_batch=8)
p.add_argument("--checkpointing", action="store_true", help="recompute activations: TRL's default, slower and smaller")
a = p.parse_args()
torch.set_num_threads(a.threads)
rows = a.groups * a.answers
tokenizer = AutoTokenizer.from_pretrained(a.model)
if tokenizer.pad_token is None:
    tokenizer.pad_token = tokenizer.eos_token
random = torch.Generator().manual_seed(1)


def prompt():
    """Text of exactly so many tokens."""
    while True:
        text = tokenizer.decode(torch.randint(300, len(tokenizer) - 1, (a.prompt_tokens,), generator=random).tolist())
        ids = tokenizer(text, add_special_tokens=False)["input_ids"][: a.prompt_tokens]
        text = tokenizer.decode(ids)
        if len(tokenizer(text, add_special_tokens=False)["input_ids"]) == a.prompt_tokens:
            return text


def even(completion_ids, **_):
    return [sum(token % 2 == 0 for token in ids) / len(ids) for ids in completion_ids]


class Clock(TrainerCallback):
    def __init__(self):
        self.seconds, self.start = [], None

    def on_step_begin(self, *_, **__):
        self.start = self.start or time.perf_counter()

    def on_step_end(self, *_, **__):
        now = time.perf_counter()
        self.seconds.append(now - self.start)
        self.start = now


clock = Clock()
config = GRPOConfig(
    output_dir=tempfile.mkdtemp(), use_cpu=True, bf16=False, fp16=False, report_to="none", save_strategy="no", logging_steps=1000, disable_tqdm=True,
    per_device_train_batch_size=a.micro_batch, gradient_accumulation_steps=rows // a.micro_batch, num_generations=a.answers,
    max_completion_length=a.new_tokens, generation_kwargs={"min_new_tokens": a.new_tokens}, temperature=1.0, beta=0.04, learning_rate=2e-5,
    max_steps=a.rounds + 1, gradient_checkpointing=a.checkpointing, seed=1)
trainer = GRPOTrainer(
    model=AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype)),
    processing_class=tokenizer, reward_funcs=even, args=config, callbacks=[clock],
    train_dataset=Dataset.from_list([{"prompt": prompt()} for _ in range(a.groups * (a.rounds + 1))]),
    peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
trainer.train()
report("grpo", clock.seconds[1:], unit="s")
