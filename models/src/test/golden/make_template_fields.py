"""Renders tools, documents, template switches and further fields of messages with transformers' own function.

Writes golden/template-fields.json: versions, templates that are not in golden/templates, and cases. See README.md beside this file.
"""

import json
from pathlib import Path

import jinja2
import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils
import datetime

OUT = Path(__file__).parent / "../resources/golden"


class Noon(datetime.datetime):
    """The moment that strftime_now tells."""

    @classmethod
    def now(cls, tz=None):
        return cls(2025, 3, 7, 14, 5, 9, tzinfo=tz)


chat_template_utils.datetime = Noon

INLINE = {
    "everything": "{{ tools | tojson }}|{{ documents | tojson }}|{{ switch is defined and switch }}|{{ level | default(3) }}|"
    "{% for m in messages %}{{ m | tojson }};{% endfor %}",
    "documents": "{% if documents %}{% for d in documents %}[{{ d.title }}: {{ d['text'] }}]{% endfor %}{% endif %}"
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
    "fields": "{% for m in messages %}{{ m.role }}{% if m.name is defined %}({{ m.name }}){% endif %}: "
    "{% if m.reasoning_content %}<t>{{ m.reasoning_content }}</t>{% endif %}"
    "{% if m.content is none %}-{% else %}{{ m.content }}{% endif %}"
    "{% for c in m.tool_calls or [] %}!{{ c.function.name }}({% for k, v in c.function.arguments | items %}{{ k }}={{ v }},{% endfor %})"
    "{% endfor %}{% if m.tool_call_id %}#{{ m.tool_call_id }}{% endif %}\n{% endfor %}",
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "sugar",
            "description": "How much \"sugar\" <b> is in it, 100 % — naïve </s> <|im_end|>",
            "parameters": {"type": "object", "properties": {"what": {"type": "string", "enum": ["a", "b"]}}, "required": ["what"]},
        },
    },
    {"type": "function", "function": {"name": "time", "parameters": {}}},
]
CALL = [{"id": "call_123ab", "type": "function", "function": {"name": "sugar", "arguments": {"what": "a", "grams": 2.5, "all": True, "none": None, "n": 7}}}]
CALLED = [
    {"role": "user", "content": "Is there sugar in it?"},
    {"role": "assistant", "content": None, "tool_calls": CALL},
    {"role": "tool", "content": "{\"grams\": 12}", "name": "sugar", "tool_call_id": "call_123ab"},
    {"role": "assistant", "content": "12 grams."},
]
CASES = {
    "tools": ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}], {"tools": TOOLS}),
    "tools-system": ([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}], {"tools": TOOLS}),
    "call": (CALLED, {"tools": TOOLS}),
    "call-without-tools": (CALLED, {}),
    "two-calls": (
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "", "tool_calls": CALL + CALL}, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}],
        {},
    ),
    "arguments-as-text": (
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
        ],
        {},
    ),
    "reasoning": (
        [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "reasoning_content": "Two and two.\n"}, {"role": "user", "content": "3+3?"}],
        {},
    ),
    "reasoning-last": ([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "reasoning_content": "Two."}], {}),
    "switch-off": ([{"role": "user", "content": "Hi"}], {"enable_thinking": False}),
    "switch-on": ([{"role": "user", "content": "Hi"}], {"enable_thinking": True, "switch": True, "level": 12345678901234567890}),
    "documents": ([{"role": "user", "content": "Hi"}], {"documents": [{"title": "One", "text": "A </s> text"}, {"title": "Zwei", "text": "é"}]}),
    "thinking": ([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "thinking": "Two."}], {}),
    "reasoning-name": ([{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4", "reasoning": "Two.", "thinking": None}], {}),
    "name": ([{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "assistant", "content": "Ho", "weight": 1.0, "tags": []}], {}),
}


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab={"a": 0}, merges=[])))
    templates = dict(INLINE)
    families = ["qwen3", "qwen2.5", "llama31", "mistral-v0.3"]
    cases = []
    for family in families + list(INLINE):
        golden = OUT / f"templates/{family}.json"
        tokens = json.loads(golden.read_text())["tokens"] if golden.exists() else {}
        source = INLINE.get(family) or (OUT / f"templates/{family}.jinja").read_text(encoding="utf-8")
        for name, (messages, variables) in CASES.items():
            for prompt in (False, True):
                case = {"template": family, "case": name, "prompt": prompt}
                try:
                    # What apply_chat_template calls, with the special tokens that it adds.
                    case["text"] = tokenizer.apply_chat_template(
                        messages, chat_template=source, tokenize=False, add_generation_prompt=prompt, **(tokens | variables)
                    )
                except (jinja2.exceptions.TemplateError, TypeError, ValueError):
                    case["fails"] = True
                cases.append(case)
    dialogues = {name: {"messages": messages, "variables": variables} for name, (messages, variables) in CASES.items()}
    golden = {
        "versions": {"transformers": transformers.__version__, "jinja2": jinja2.__version__},
        "templates": templates,
        "dialogues": dialogues,
        "cases": cases,
    }
    (OUT / "template-fields.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(len(cases), "cases,", sum("fails" in c for c in cases), "fail")


main()
