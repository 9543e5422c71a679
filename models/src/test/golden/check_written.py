"""Loads with transformers and peft what WriteForPython wrote, and compares with the golden files. See README.md.

    python check_written.py DIRECTORY [ADAPTER ...]
"""

import json
import os
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, Gemma2Config, LlamaForCausalLM

torch.set_num_threads(1)
# As in make_methods.py.
Gemma2Config.__class_validators__ = [each for each in Gemma2Config.__class_validators__ if each.__name__ != "validate_architecture"]
HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "resources", "golden")
WRITTEN = sys.argv[1]
NAMES = sys.argv[2:] or sorted(os.listdir(os.path.join(GOLDEN, "adapters")))


def expected(name):
    with open(os.path.join(GOLDEN, name, "expected.json"), encoding="utf-8") as file:
        return json.load(file)


def worst(model, golden):
    with torch.no_grad():
        tokens = golden["batch"][0]
        # Virtual tokens have logits of their own where they stand among the text's.
        logits = model(torch.tensor([tokens])).logits[0][-len(tokens):]
    result = 0.0
    if "logits" in golden:
        result = (logits - torch.tensor(golden["logits"])).abs().max().item()
    logprobs = torch.log_softmax(logits[:-1].double(), -1)
    chosen = logprobs[torch.arange(len(logprobs)), torch.tensor(golden["batch"][0][1:])]
    return max(result, (chosen - torch.tensor(golden["logprobs"][0], dtype=torch.double)).abs().max().item())


def main():
    for name in ("gqa-tied-bf16", "untied-llama3-fp16", "linear-rope-fp32"):
        model, info = LlamaForCausalLM.from_pretrained(
            os.path.join(WRITTEN, name), dtype=torch.float32, output_loading_info=True
        )
        assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"], info
        print(name, "largest difference", worst(model.eval(), expected(name)))
    base = LlamaForCausalLM.from_pretrained(os.path.join(WRITTEN, "gqa-tied-bf16"), dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, os.path.join(WRITTEN, "gqa-adapter")).eval()
    print("gqa-adapter", "largest difference", worst(adapted, expected("gqa-adapter")))
    for name in NAMES:
        golden = expected(os.path.join("adapters", name))
        base = AutoModelForCausalLM.from_pretrained(os.path.join(GOLDEN, golden["base"]), dtype=torch.float32, attn_implementation="eager")
        adapted = PeftModel.from_pretrained(base, os.path.join(WRITTEN, name)).eval()
        print(name, "largest difference", worst(adapted, golden))
    base = AutoModelForSequenceClassification.from_pretrained(
        os.path.join(WRITTEN, "gqa-tied-bf16"), dtype=torch.float32, num_labels=1
    )
    scored = PeftModel.from_pretrained(base, os.path.join(WRITTEN, "head"))
    weight = scored.base_model.model.score.modules_to_save["default"].weight
    wanted = torch.tensor([[(i % 7 - 3) / 8 for i in range(64)]])
    assert torch.equal(weight, wanted), weight
    print("head loads as a sequence classifier's score")
    tokenizer = AutoTokenizer.from_pretrained(os.path.join(WRITTEN, "bpe"))
    text = "The robot sings: caf\u00e9 \U0001f600\n\n  ok"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
    assert tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id == 0
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True)
    assert chat == "<|user|>\nHi</s>\n<|assistant|>\n", chat
    print("tokenizer loads:", len(tokenizer), "tokens")


if __name__ == "__main__":
    main()
