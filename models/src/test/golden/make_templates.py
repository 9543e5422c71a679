"""Renders golden/templates/*.jinja and snippets of Jinja with transformers' own function. See README.md beside this file.

The templates have the structure of published ones, family by family; the longer texts in them are shortened.
"""

import datetime
import json
import os
import sys
from pathlib import Path

import jinja2
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

OUT = Path(__file__).parent / "../resources/golden/templates"


class Noon(datetime.datetime):
    """The moment that strftime_now tells."""

    @classmethod
    def now(cls, tz=None):
        return cls(2025, 3, 7, 14, 5, 9, tzinfo=tz)


chat_template_utils.datetime = Noon

CHATML = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
LLAMA3 = ["<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"]
GEMMA = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
PHI = ["<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]
DEEPSEEK = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"]
# Of each template the beginning of text (or none), the end and the special tokens.
FAMILIES = {
    "llama2": ("<s>", "</s>", ["<s>", "</s>"]),
    "llama3": ("<|begin_of_text|>", "<|eot_id|>", LLAMA3),
    "llama31": ("<|begin_of_text|>", "<|eot_id|>", LLAMA3),
    "mistral-v0.1": ("<s>", "</s>", ["<s>", "</s>"]),
    "mistral-v0.3": ("<s>", "</s>", ["<s>", "</s>", "[INST]", "[/INST]"]),
    "chatml": (None, "<|im_end|>", CHATML),
    "qwen2": (None, "<|im_end|>", CHATML),
    "qwen2.5": (None, "<|im_end|>", CHATML),
    "qwen3": (None, "<|im_end|>", CHATML),
    "gemma2": ("<bos>", "<eos>", GEMMA),
    "gemma3": ("<bos>", "<eos>", GEMMA),
    "phi3": ("<s>", "<|endoftext|>", PHI),
    "phi3-first": ("<s>", "<|endoftext|>", PHI),
    "zephyr": ("<s>", "</s>", ["<s>", "</s>"]),
    "smollm2": ("<|im_start|>", "<|im_end|>", CHATML),
    "plain": (None, "</s>", ["</s>"]),
    "vicuna": ("<s>", "</s>", ["<s>", "</s>"]),
    "deepseek-r1": (DEEPSEEK[0], DEEPSEEK[1], DEEPSEEK),
    "generation": (None, "<|im_end|>", CHATML),
}




def thought(content, rest):
    """A turn of Qwen 3, which drops the reasoning before the last question; an answer of a tool is no question."""
    reasoning = ""
    if "</think>" in content:
        reasoning = content.split("</think>")[0].rstrip("\n").split("<think>")[-1].lstrip("\n")
        content = content.split("</think>")[-1].lstrip("\n")
    asked = any(m["role"] == "user" and not m["content"].startswith("<tool_response>") for m in rest)
    if not asked and (reasoning or not rest):
        content = "<think>\n" + reasoning.strip("\n") + "\n</think>\n\n" + content.lstrip("\n")
    return content + "<|im_end|>"


# What an assistant's turn should be learned as, by its content and the messages behind it: what follows the
# generation prompt, with the end of the turn.
SAID = {
    "llama2": lambda content, rest: " " + content.strip() + " </s>",
    "llama3": lambda content, rest: content.strip() + "<|eot_id|>",
    "llama31": lambda content, rest: content.strip() + "<|eot_id|>",
    "mistral-v0.1": lambda content, rest: content + "</s>",
    "mistral-v0.3": lambda content, rest: " " + content.strip() + "</s>",
    "chatml": lambda content, rest: content + "<|im_end|>",
    "qwen2": lambda content, rest: content + "<|im_end|>",
    "qwen2.5": lambda content, rest: content + "<|im_end|>",
    "qwen3": thought,
    "gemma2": lambda content, rest: content.strip() + "<end_of_turn>",
    "gemma3": lambda content, rest: content.strip() + "<end_of_turn>",
    "phi3": lambda content, rest: content + "<|end|>",
    "phi3-first": lambda content, rest: content + "<|end|>",
    "zephyr": lambda content, rest: content + "</s>",
    "smollm2": lambda content, rest: content + "<|im_end|>",
    "plain": lambda content, rest: content + "</s>",
    "vicuna": lambda content, rest: " " + content.strip() + "</s>",
    "deepseek-r1": None,
    "generation": lambda content, rest: content + "<|im_end|>",
}


def turns(*contents, system=None):
    """Alternating turns, beginning with the user's."""
    said = [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]
    return ([] if system is None else [{"role": "system", "content": system}]) + said


DIALOGUES = {
    "one": turns("Hello there"),
    "system": turns("Hi", system="Be kind."),
    "answered": turns("Hi", "Hello! How are you?"),
    "several": turns("Who sings?", "The robot sings.", "And then?", "It rests.", "Good.", "Yes.", system="You're a poet."),
    "blanks": turns("  lead and trail \n", "\n\n answer \t\n", "\nnext\n\n", "  \u00a0end\u3000 ", system=" \n rules \n"),
    "quotes": turns("say \"it's\" \\n 'now' `x`", "\"ok\" isn't \\t {{ x }} {% y %} {# z #}", "again"),
    "unicode": turns("日本語 na\u00efve e\u0301 \U0001f469\u200d\U0001f4bb", "한국어 — “…” \U0001f600\ufeff", "שלום"),
    "html": turns("<b>a & b</b> &amp; <i>", "1 < 2 > 0 & \"x\"", "<script>"),
    "empty": turns("", "", "", system=""),
    "thinking": turns("2+2?", "<think>\nTwo and two.\n</think>\n\n4", "And 3+3?", "<think>\nThree.\n</think>\n\n6"),
    "thought-inside": turns("2+2?", "Well<think>a</think>b</think>\nc", "<tool_response>x</tool_response>", "done"),
    "assistant-first": [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Hello"}],
    "user-twice": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "system-late": turns("a", "b") + [{"role": "system", "content": "c"}, {"role": "user", "content": "d"}],
    "unknown-role": [{"role": "critic", "content": "no"}],
    "tool": turns("Look it up", "Looking.") + [{"role": "tool", "content": "42"}],
}

MESSAGES = turns("Who sings? ", "The robot sings.", "日本 \"q\" <&> {{ bos_token }} </s>", system="  Be kind.\n")

# Constructs of the language, each rendered on its own with MESSAGES. Those that are refused render here.
SNIPPETS = json.loads((Path(__file__).parent / "template_snippets.json").read_text())


def tokenizer_of(bos, eos, specials):
    vocabulary = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(specials)
    named = {"eos_token": eos} | ({"bos_token": bos} if bos else {})
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **named)


def rendered(tokenizer, dialogue, **options):
    """The text, or what the template's refusal says, or that it fails."""
    try:
        return {"text": tokenizer.apply_chat_template(dialogue, tokenize=False, **options)}
    except jinja2.exceptions.UndefinedError:
        return {"fails": True}
    except jinja2.exceptions.TemplateError as e:
        return {"fails": True} if isinstance(e, (jinja2.TemplateSyntaxError, jinja2.TemplateRuntimeError)) else {"refusal": str(e)}
    except (TypeError, ValueError, IndexError, KeyError, AttributeError, ZeroDivisionError):
        return {"fails": True}


def said(family, text, dialogue):
    """The turns to be learned, each found in the text behind the one before."""
    runs, at = [], 0
    for i, message in enumerate(dialogue):
        if message["role"] == "assistant":
            run = SAID[family](message["content"], dialogue[i + 1 :])
            at = text.index(run, at) + len(run)
            runs.append(run)
    return runs


def masked(tokenizer, dialogue):
    """The runs of tokens that return_assistant_tokens_mask marks, as text."""
    encoded = tokenizer.apply_chat_template(dialogue, return_dict=True, return_assistant_tokens_mask=True)
    runs, run = [], []
    for token, mask in zip(encoded["input_ids"] + [0], encoded["assistant_masks"] + [0]):
        if mask:
            run.append(token)
        elif run:
            runs.append(tokenizer.decode(run))
            run = []
    return runs


# Kinds of tokenizers (golden/tokenizers) with a template each, and their beginning and end of text.
KINDS = [
    ("llama2", "llama2", "<s>", "</s>"),
    ("mistral", "mistral-v0.3", "<s>", "</s>"),
    ("gemma", "gemma3", "<s>", "</s>"),
    ("phi3", "phi3", "<s>", "<|endoftext|>"),
    ("llama3", "chatml", "<|begin_of_text|>", "<|im_end|>"),
    ("qwen2", "qwen3", None, "<|im_end|>"),
    ("smollm", "smollm2", "<|im_start|>", "<|im_end|>"),
    ("opt", "plain", "</s>", "</s>"),
    ("bloom", "vicuna", "<s>", "</s>"),
]
TRAINED = ["answered", "several", "quotes", "unicode", "html", "thinking"]


def trained(kind, family, bos, eos):
    """Ids of dialogues by transformers up to the last turn's end, and which of them lie in what is to be learned."""
    named = {"eos_token": eos} | ({"bos_token": bos} if bos else {})
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(OUT / f"../tokenizers/{kind}/tokenizer.json"), **named)
    tokenizer.chat_template = (OUT / f"{family}.jinja").read_text(encoding="utf-8")
    cases = {}
    for key in TRAINED:
        dialogue = DIALOGUES[key]
        while dialogue[-1]["role"] != "assistant":
            dialogue = dialogue[:-1]
        text = tokenizer.apply_chat_template(dialogue, tokenize=False)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        assert encoded["input_ids"] == tokenizer.apply_chat_template(dialogue)
        spans, at = [], 0
        for run in said(family, text, dialogue):
            begin = text.index(run, at)
            at = begin + len(run)
            spans.append((begin, at))
        ids, mask = [], []
        for token, (begin, end) in zip(encoded["input_ids"], encoded["offset_mapping"]):
            if begin >= at:
                break
            ids.append(token)
            mask.append(int(any(first <= begin < last for first, last in spans)))
        cases[key] = {"ids": ids, "mask": mask}
    return {"tokenizer": kind, "family": family, "tokens": named, "cases": cases}


def dump(value, name):
    (OUT / name).write_text(json.dumps(value, ensure_ascii=True, indent=0).replace("\n\n", "\n") + "\n", encoding="ascii")


def main():
    dump({"dialogues": DIALOGUES, "messages": MESSAGES}, "dialogues.json")
    every = tokenizer_of("<s>", "</s>", sorted({token for _, _, specials in FAMILIES.values() for token in specials}))
    every.backend_tokenizer.save(str(OUT / "tokenizer.json"), pretty=False)
    for name, (bos, eos, specials) in FAMILIES.items():
        tokenizer = tokenizer_of(bos, eos, specials)
        tokenizer.chat_template = (OUT / f"{name}.jinja").read_text(encoding="utf-8")
        cases = []
        for key, dialogue in DIALOGUES.items():
            for prompt in (False, True):
                cases.append({"dialogue": key, "prompt": prompt} | rendered(tokenizer, dialogue, add_generation_prompt=prompt))
        result = {"tokens": tokenizer.special_tokens_map, "specials": specials, "cases": cases}
        if SAID[name]:
            result["said"] = {
                case["dialogue"]: said(name, case["text"], DIALOGUES[case["dialogue"]])
                for case in cases
                if "text" in case and not case["prompt"]
            }
        if name == "generation":
            assert result["said"] == {key: masked(tokenizer, DIALOGUES[key]) for key in result["said"]}
        dump(result, f"{name}.json")
    (OUT / "training.json").write_text(json.dumps([trained(*kind) for kind in KINDS]) + "\n", encoding="ascii")
    tokenizer = tokenizer_of("<s>", "</s>", ["<s>", "</s>"])
    results = [{"source": source} | rendered(tokenizer, MESSAGES, chat_template=source) for source in SNIPPETS["rendered"]]
    for source in SNIPPETS["refused"]:
        assert "text" in rendered(tokenizer, MESSAGES, chat_template=source), source
        results.append({"source": source, "refused": True})
    dump(results, "snippets.json")
    print("transformers", transformers.__version__, "jinja2", jinja2.__version__)


if __name__ == "__main__":
    main()
