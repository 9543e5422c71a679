"""A GGUF model's log-probabilities and perplexity by transformers, beside Troupe's (docs/gguf.md).

    python -c 'import json; print(json.dumps({"text": open("docs/data/page-of-english.txt").read().rstrip()}))' > page.jsonl
    ./troupe logprobs MODEL.gguf --input page.jsonl --json > page.troupe.jsonl
    python docs/real-input/perplexity.py MODEL.gguf page.jsonl page.troupe.jsonl

Fails when a token differs from llama.cpp's, a log-probability by more than 0.001 or a perplexity by more than 0.0001 of it. Made with torch 2.7.1,
transformers 4.57.1, gguf 0.19.0 and llama-cpp-python 0.3.36. The tokenizer that transformers makes of Gemma's file is not the original's: it is not asked.
"""

import json
import math
import os
import sys

import torch
from llama_cpp import Llama
from transformers import AutoModelForCausalLM


def main(gguf, texts, troupe):
    directory, name = os.path.split(os.path.abspath(gguf))
    tokenizer = Llama(gguf, vocab_only=True, verbose=False)
    model = AutoModelForCausalLM.from_pretrained(directory, gguf_file=name, dtype=torch.float32, attn_implementation="eager").eval()
    with open(texts, encoding="utf-8") as lines, open(troupe, encoding="utf-8") as rows:
        for line, row in zip(lines, rows, strict=True):
            ours = json.loads(row)
            ids = torch.tensor([ours["tokens"]])
            same = tokenizer.tokenize(json.loads(line)["text"].encode(), special=False) == ours["tokens"]
            with torch.no_grad():
                logprobs = torch.log_softmax(model(ids).logits[0, :-1].double(), -1)
            peer = logprobs.gather(1, ids[0, 1:, None])[:, 0]
            mine = torch.tensor(ours["logprobs"][1:], dtype=torch.double)
            apart = float((peer - mine).abs().max())
            perplexities = [math.exp(-float(side.mean())) for side in (mine, peer)]
            print(
                f"{ids.numel()} tokens ({'the same' if same else 'OTHERS'}), perplexity {perplexities[0]:.5f} and {perplexities[1]:.5f}, "
                f"largest difference of a log-probability {apart:.1e}"
            )
            assert same and apart < 1e-3 and abs(perplexities[0] / perplexities[1] - 1) < 1e-4


if __name__ == "__main__":
    main(*sys.argv[1:])
