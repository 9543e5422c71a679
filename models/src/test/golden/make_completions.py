"""Prompts whose completion is several turns, as TRL's SFTTrainer tokenizes and masks them.

Writes golden/templates/completions.json. See README.md beside this file.
"""

import json
from pathlib import Path

import transformers
import trl
from transformers import PreTrainedTokenizerFast
from trl.trainer.sft_trainer import common_prefix_length

OUT = Path(__file__).parent / "../resources/golden/templates"

ASKED = [{"role": "user", "content": "Is there sugar in it?"}]
CALL = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "look", "arguments": {"at": "label"}}}]}
RECORDS = {
    "talk": (
        [{"role": "system", "content": "Be kind."}] + ASKED,
        [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "How much?"}, {"role": "assistant", "content": "12 g."}],
    ),
    "tool": (ASKED, [CALL, {"role": "tool", "content": "12 g"}, {"role": "assistant", "content": "Yes, 12 grams."}]),
    "later": (
        ASKED + [{"role": "assistant", "content": "Yes."}, {"role": "user", "content": "How much?"}],
        [{"role": "assistant", "content": "12 g."}, {"role": "user", "content": "Of what?"}, {"role": "assistant", "content": "Sugar."}],
    ),
}
FAMILIES = {"chatml": ["talk", "later"], "generation": ["talk", "later"], "gemma3": ["talk", "later"], "qwen2.5": ["talk", "tool", "later"], "llama31": ["talk", "later"]}


def main():
    cases = []
    for family, names in FAMILIES.items():
        tokens = json.loads((OUT / f"{family}.json").read_text())["tokens"]
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(OUT / "tokenizer.json"), **tokens)
        tokenizer.chat_template = (OUT / f"{family}.jinja").read_text(encoding="utf-8")
        for name in names:
            prompt, completion = RECORDS[name]
            # tokenize_fn of SFTTrainer._prepare_dataset, the prompt-completion case.
            # Llama 3.1 writes the day's date where none is given.
            variables = {"date_string": "29 Nov 2026"} if family == "llama31" else {}
            asked = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True, **variables)["input_ids"]
            alone = family == "generation"
            whole = tokenizer.apply_chat_template(prompt + completion, return_dict=True, return_assistant_tokens_mask=alone, **variables)
            ids = whole["input_ids"]
            begin = common_prefix_length(asked, ids)
            mask = [0] * begin + [1] * (len(ids) - begin)
            case = {"family": family, "prompt": prompt, "completion": completion, "ids": ids, "mask": mask}
            if variables:
                case["chat_template_kwargs"] = variables
            if alone:  # assistant_only_loss: labels where both masks are 1
                case["assistant"] = [a & b for a, b in zip(mask, whole["assistant_masks"])]
            cases.append(case)
    versions = {"transformers": transformers.__version__, "trl": trl.__version__}
    (OUT / "completions.json").write_text(json.dumps({"versions": versions, "cases": cases}) + "\n", encoding="ascii")
    print(len(cases), "cases", versions)


main()
