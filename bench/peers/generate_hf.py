"""Hugging Face generate, fp32: random prompts, log-probabilities of what was sampled."""
import torch
from common import parser, rates, report
from transformers import AutoModelForCausalLM

p = parser(batch=16, prompt_tokens=64, new_tokens=128, cache="dynamic", greedy=0, logprobs=1)
a = p.parse_args()
torch.set_num_threads(a.threads)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype)).eval()
torch.manual_seed(1)
ids = torch.randint(10, model.config.vocab_size, (a.batch, a.prompt_tokens))


def work():
    with torch.inference_mode():
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=a.new_tokens, min_new_tokens=a.new_tokens, do_sample=not a.greedy,
            temperature=None if a.greedy else 1.0, top_k=None if a.greedy else 0, top_p=None, pad_token_id=0, return_dict_in_generate=True,
            output_logits=bool(a.logprobs), disable_compile=True, **({} if a.cache == "dynamic" else {"cache_implementation": a.cache}))
        if a.logprobs:
            # as TRL does
            logits = torch.stack(out.logits, 1)
            chosen = out.sequences[:, a.prompt_tokens:]
            torch.cat([logits[i].log_softmax(-1).gather(1, chosen[i].unsqueeze(1)) for i in range(a.batch)])


report("generate", rates(work, a.batch * a.new_tokens, a.rounds), cache=a.cache)
