"""Numbers of transformers for EvalTest: perplexity of texts and the losses of classifications, of the quickstart's base.

Made with transformers 5.24.0 and torch 2.7.1. Run from the repository's root:

    python src/test/golden/evaluation/make_evaluation.py
"""

import json
import math
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

MODEL = "configs/quickstart-base"
HERE = Path("src/test/resources/evaluation")
HEAD = "Customer: {}\nClerk:"
LABELS = {"missing": [" We send new", " Sorry. We send"], "price": [" The", " It costs"]}

tokenizer = AutoTokenizer.from_pretrained(MODEL)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()


def ids(text):
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@torch.no_grad()
def logprobs(prompt, answer):
    """Of the tokens of answer behind prompt."""
    logits = model(torch.tensor([prompt + answer])).logits[0].double()
    all = torch.log_softmax(logits, -1)
    return [all[len(prompt) - 1 + i, token].item() for i, token in enumerate(answer)]


def perplexity(whole):
    scores = []
    for line in (HERE / "texts.jsonl").read_text().splitlines():
        record = json.loads(line)
        prompt, answer = ids(record["prompt"]), ids(record["completion"]) + [tokenizer.eos_token_id]
        scores += logprobs(prompt[:1], prompt[1:] + answer) if whole else logprobs(prompt, answer)
    return {"tokens": len(scores), "loss": -sum(scores) / len(scores), "perplexity": math.exp(-sum(scores) / len(scores))}


def label_scores(sentence, mean, best):
    head = ids(HEAD.format(sentence))
    scores = {}
    for label, words in LABELS.items():
        each = []
        for word in words:
            whole = ids(HEAD.format(sentence) + word)
            assert whole[: len(head)] == head
            found = logprobs(head, whole[len(head) :])
            each.append(sum(found) / (len(found) if mean else 1))
        scores[label] = max(each) if best else math.log(sum(math.exp(e) for e in each) / len(each))
    return scores


def classification(mean=False, best=False, calibrate=None):
    bias = label_scores(calibrate, mean, best) if calibrate else dict.fromkeys(LABELS, 0)
    loss, right, total = 0, 0, 0
    for line in (HERE / "labelled.jsonl").read_text().splitlines():
        record = json.loads(line)
        scores = {label: score - bias[label] for label, score in label_scores(record["sentence"], mean, best).items()}
        loss -= scores[record["kind"]] - math.log(sum(math.exp(s) for s in scores.values()))
        right += max(scores, key=scores.get) == record["kind"]
        total += 1
    return {"loss": loss / total, "accuracy": right / total}


(HERE / "expected.json").write_text(
    json.dumps(
        {
            "versions": {"transformers": transformers.__version__, "torch": torch.__version__},
            "completion": perplexity(False),
            "all": perplexity(True),
            "sum-mean": classification(),
            "mean-mean": classification(mean=True),
            "sum-max": classification(best=True),
            "calibrated": classification(calibrate="N/A"),
        },
        indent=1,
    )
    + "\n"
)
