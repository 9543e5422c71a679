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
    # As models that see write it: lists alone, but of the assistant's words.
    "lines": "{% for m in messages %}{{ m.role | capitalize }}: {% if m.content is string %}{{ m.content | trim }}{% else %}"
    "{% for line in m.content %}{% if line.type == 'text' %}{{ line.text }}\n{% endif %}{% endfor %}{% endif %}</s>{% endfor %}",
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
    # Content as parts: templates that take lists get the list, the others the parts' texts as one (see main).
    "parts": (
        [
            {"role": "system", "content": [{"type": "text", "text": " Be kind. "}]},
            {"role": "user", "content": [{"type": "text", "text": " Hi "}, {"type": "text", "text": " there </s> "}]},
            {"role": "assistant", "content": [{"type": "text", "text": " Ho "}, {"type": "text", "text": " ho "}]},
            {"role": "user", "content": "And?"},
        ],
        {},
    ),
    "parts-of-user": ([{"role": "user", "content": [{"type": "text", "text": " a"}, {"type": "text", "text": "b "}]}, {"role": "assistant", "content": "c"}], {}),
    "name": ([{"role": "user", "content": "Hi", "name": "Ann"}, {"role": "assistant", "content": "Ho", "weight": 1.0, "tags": []}], {}),
}


def shown(text):
    """Whether a list was written as Python or JSON shows it."""
    return "'type'" in text or '"type": "text"' in text


def joined(messages):
    return [m | ({"content": "".join(p["text"] for p in m["content"])} if isinstance(m["content"], list) else {}) for m in messages]


def main():
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab={"a": 0}, merges=[])))
    templates = dict(INLINE)
    families = ["qwen3", "qwen2.5", "llama31", "mistral-v0.3", "gemma3", "gemma2", "smollm2"]
    cases = []
    for family in families + list(INLINE):
        golden = OUT / f"templates/{family}.json"
        tokens = json.loads(golden.read_text())["tokens"] if golden.exists() else {}
        source = INLINE.get(family) or (OUT / f"templates/{family}.jinja").read_text(encoding="utf-8")
        for name, (messages, variables) in CASES.items():
            for prompt in (False, True):
                case = {"template": family, "case": name, "prompt": prompt}

                def render(messages):
                    # What apply_chat_template calls, with the special tokens that it adds.
                    return tokenizer.apply_chat_template(
                        messages, chat_template=source, tokenize=False, add_generation_prompt=prompt, **(tokens | variables)
                    )

                errors = (jinja2.exceptions.TemplateError, TypeError, ValueError)
                try:
                    case["text"] = render(messages)
                except errors:
                    case["fails"] = True
                if name.startswith("parts"):
                    text = case.pop("text", "")
                    said = [p["text"].strip() for m in messages if isinstance(m["content"], list) for p in m["content"]]
                    case["list"] = all(one in text for one in said) and not shown(text)
                    case.pop("fails", None)
                    try:
                        case["text"] = text if case["list"] else render(joined(messages))
                    except errors:
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
