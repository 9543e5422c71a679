"""Hugging Face, fp32: one long prompt to its first token."""
import torch
from common import parser, rates, report
from transformers import AutoModelForCausalLM

a = parser(tokens=2047).parse_args()
torch.set_num_threads(a.threads)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype)).eval()
torch.manual_seed(1)
ids = torch.randint(10, model.config.vocab_size, (1, a.tokens))


def work():
    with torch.inference_mode():
        model(ids, logits_to_keep=1, use_cache=True)


report("prefill", rates(work, a.tokens, a.rounds))
