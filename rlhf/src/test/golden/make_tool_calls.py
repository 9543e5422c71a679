"""Makes tool-calls.json: turns with tool calls, and what transformers' parser finds in them.

    python3 make_tool_calls.py ../resources/dev/troupe/rlhf/environment/tool-calls.json

Made with transformers 5.24.0 and trl 1.16.0 (its chat and response templates).
Turns are rendered by published chat templates, cut where the generation prompt ends, or written here.
"""

import json
import sys
from pathlib import Path

import transformers
import trl
import trl.chat_template_utils as t
from transformers.utils.chat_parsing.response_parser import parse_response
from transformers.utils.chat_template_utils import render_jinja_template

assert (transformers.__version__, trl.__version__) == ("5.24.0", "1.16.0")
TEMPLATES = Path(trl.__file__).parent / "chat_templates"


def tool(name, **properties):
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": "A tool.",
            "parameters": {"type": "object", "properties": properties},
        },
    }


TOOLS = [
    tool(
        "f",
        city={"type": "string"},
        days={"type": "integer"},
        share={"type": "number"},
        metric={"type": "boolean"},
        place={"type": "object"},
        names={"type": "array", "items": {"type": "string"}},
        limit={"anyOf": [{"type": "integer"}, {"type": "null"}]},
    ),
    tool("g"),
]

CALLS = {
    "one": [("f", {"city": "Paris"})],
    "text that looks like a number": [("f", {"city": "75001"})],
    "every type": [
        (
            "f",
            {
                "city": "São Paulo \"quoted\"",
                "days": 3,
                "share": 0.25,
                "metric": True,
                "place": {"lat": 1.5, "tags": ["a", {"b": None}]},
                "names": ["x", "y"],
            },
        )
    ],
    "two": [("f", {"city": "Paris", "days": 2}), ("g", {})],
    "none of arguments": [("g", {})],
}

# chat template, format here, response template
FAMILIES = [
    ("qwen2_5", "HERMES", t.qwen3_template),
    ("qwen3", "HERMES", t.qwen3_template),
    ("qwen3_instruct_2507", "HERMES", t.qwen3_template),
    ("qwen3_5_nothink", "QWEN_CODER", t.qwen3_5_template),
    ("qwen3_5_think", "QWEN_CODER", t.qwen3_5_template),
    ("nemotron_3_nano", "QWEN_CODER", t.nemotron_3_template),
    ("glm4moe", "GLM", t.glm4moe_template),
    ("llama3_1", "LLAMA", t.llama3_template),
    ("llama3_2", "LLAMA", t.llama3_template),
    ("gptoss", "GPT_OSS", t.gptoss_template),
    ("gemma4", "GEMMA", t.gemma4_template),
    ("gemma4_v5", "GEMMA", t.gemma4_template),
    ("lfm2_v2", "LFM", t.lfm2_2_5_template),
    ("lfm2_2_5", "LFM", t.lfm2_2_5_template),
    ("lfm2_2_5_v2", "LFM", t.lfm2_2_5_template),
]

# What TRL's template for LFM reads otherwise, as it says itself: Python's True, a text here.
UNTOLD = {"LFM": {"metric"}}

USER = {"role": "user", "content": "Ask."}


def render(template, messages, prompt):
    text, _ = render_jinja_template(
        [messages],
        tools=TOOLS,
        chat_template=template,
        add_generation_prompt=prompt,
        bos_token="<s>",
        eos_token="</s>",
    )
    return text[0]


def peer(template, said, prefix):
    """As transformers reads it; no calls where it cannot, as TRL has it."""
    try:
        found = parse_response(said, template, prefix=prefix, tools=TOOLS)
    except (ValueError, TypeError) as e:
        return {"unread": type(e).__name__}
    calls = found.get("tool_calls") or []
    return {
        "text": (found.get("content") or "").strip(),
        "thinking": (found.get("reasoning_content") or found.get("thinking") or "").strip(),
        "calls": [
            {"name": c["function"]["name"], "arguments": c["function"].get("arguments") or {}}
            for c in calls
        ],
    }


cases = []
skipped = []


def add(name, form, template, said, prefix):
    opened = prefix.rstrip().endswith("<think>")
    cases.append(
        {
            "name": name,
            "format": form,
            "said": said,
            "thinking": opened,
            "expected": peer(template, said, prefix),
        }
    )


for chat, form, template in FAMILIES:
    jinja = (TEMPLATES / f"{chat}.jinja").read_text(encoding="utf-8")
    prefix = render(jinja, [USER], True)
    for name, calls in CALLS.items():
        message = {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "type": "function",
                    "function": {
                        "name": n,
                        "arguments": {k: v for k, v in a.items() if k not in UNTOLD.get(form, ())},
                    },
                }
                for n, a in calls
            ],
        }
        try:
            whole = render(jinja, [USER, message], False)
        except Exception as e:
            skipped.append(f"{chat}, {name}: {type(e).__name__} {e}")
            continue
        bare = prefix
        if not whole.startswith(bare):
            # A generation prompt that the finished turn does not keep.
            bare = render(jinja, [USER], False)
            anchor = prefix[len(bare):].split("<think>")[0]
            bare += anchor
            if not whole.startswith(bare):
                skipped.append(f"{chat}, {name}: the prompt is not kept")
                continue
        said = whole[len(bare):]
        if chat.startswith("nemotron") and said.startswith("<think></think>"):
            # What its generation prompt writes where it is not to think.
            bare += "<think></think>"
            said = said[len("<think></think>"):]
        add(f"{chat}, {name}", form, template, said, bare)

ASSISTANT = "<|im_start|>assistant\n"
CALL = '<tool_call>\n{"name": "f", "arguments": {"city": "Paris"}}\n</tool_call>'
XML = "<tool_call>\n<function=f>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
GLM = "<tool_call>f\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>"
WRITTEN = [
    ("words before", "HERMES", t.qwen3_template, f"I ask.\n{CALL}<|im_end|>", ASSISTANT),
    ("no calls", "HERMES", t.qwen3_template, "Four.<|im_end|>", ASSISTANT),
    ("a thought", "HERMES", t.qwen3_template, f"<think>\nHm.\n</think>\n\n{CALL}<|im_end|>", ASSISTANT),
    ("a call that is only thought", "HERMES", t.qwen3_template, f"<think>\n{CALL}\n</think>\n\nNo.<|im_end|>", ASSISTANT),
    ("a thought that goes on", "QWEN_CODER", t.qwen3_5_template, f"Hm.\n</think>\n\n{XML}<|im_end|>", ASSISTANT + "<think>\n"),
    ("a thought and words", "QWEN_CODER", t.qwen3_5_template, f"Hm.\n</think>\n\nI ask.\n{XML}<|im_end|>", ASSISTANT + "<think>\n"),
    ("integer as a fraction", "QWEN_CODER", t.qwen3_5_template, XML.replace("3", "3.0") + "<|im_end|>", ASSISTANT),
    ("no integer", "QWEN_CODER", t.qwen3_5_template, XML.replace("3", "three") + "<|im_end|>", ASSISTANT),
    ("null", "QWEN_CODER", t.qwen3_5_template, XML.replace("days", "limit").replace("3", "null") + "<|im_end|>", ASSISTANT),
    ("an unknown parameter", "QWEN_CODER", t.qwen3_5_template, XML.replace("days", "hours") + "<|im_end|>", ASSISTANT),
    ("words before", "GLM", t.glm4moe_template, f"\n<think>Hm.</think>\nI ask.\n{GLM}<|user|>", "<|assistant|>"),
    ("cut", "HERMES", t.qwen3_template, '<tool_call>\n{"name": "f", "argum', ASSISTANT),
    ("bad JSON", "HERMES", t.qwen3_template, '<tool_call>\n{"name": f}\n</tool_call><|im_end|>', ASSISTANT),
    ("a channel", "GEMMA", t.gemma4_template, '<|channel>thought\nHm.<channel|>I ask.<|tool_call>call:f{days:3,names:[<|"|>x<|"|>]}<tool_call|><|tool_response>', "<|turn>model\n"),
    ("a thought and an answer", "GPT_OSS", t.gptoss_template, "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Four.<|return|>", "<|start|>assistant"),
    ("a thought and a call", "GPT_OSS", t.gptoss_template, '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant to=functions.f<|channel|>commentary json<|message|>{"city": "Paris"}<|call|>', "<|start|>assistant"),
    ("whole turn", "LLAMA", t.llama3_template, '{"name": "f", "parameters": {"city": "Paris"}}<|eot_id|>', "<|start_header_id|>assistant<|end_header_id|>\n\n"),
    ("words before", "LFM", t.lfm2_2_5_template, "I ask. <|tool_call_start|>[f(city='Paris', days=3, share=0.25, limit=null)]<|tool_call_end|><|im_end|>", ASSISTANT),
    ("a thought", "LFM", t.lfm2_2_5_template, "<think>Hm.</think><|tool_call_start|>[f(names=['x', 'y']), g()]<|tool_call_end|><|im_end|>", ASSISTANT),
    ("no calls", "LFM", t.lfm2_2_5_template, "Four.<|im_end|>", ASSISTANT),
    ("words", "LLAMA", t.llama3_template, "Four.<|eot_id|>", "<|start_header_id|>assistant<|end_header_id|>\n\n"),
]
for name, form, template, said, prefix in WRITTEN:
    add(name, form, template, said, prefix)

with open(sys.argv[1], "w", encoding="utf-8") as out:
    lines = [json.dumps(case, ensure_ascii=False) for case in cases]
    out.write(f'{{"transformers": "{transformers.__version__}", "trl": "{trl.__version__}",\n')
    out.write(f'"tools": {json.dumps(TOOLS)},\n"cases": [\n')
    out.write(",\n".join(lines) + "\n]}\n")
for line in skipped:
    print("skipped:", line)
