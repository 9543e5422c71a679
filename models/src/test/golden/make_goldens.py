"""Makes the golden files under src/test/resources/golden with transformers, tokenizers and peft. See README.md beside this file."""

import json
import os
import shutil
import sys

import torch
import peft
import tokenizers
import transformers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "resources", "golden")

WORDS = (
    "the a little old green robot river garden teacher friend answers asks helps walks sings kindly slowly "
    "please thank you today never always because and but with without under over morning evening"
).split()

HARD = [
    "",
    " ",
    "\n\n  \t x",
    "Hello, world! It's the teacher's robot; you'll see 1234567 times.",
    "na\u00efve caf\u00e9 \u00c5ngstr\u00f6m \u2014 \u201cquoted\u201d \u2026",
    "\u65e5\u672c\u8a9e\u3068\u4e2d\u6587\u3001\ud55c\uad6d\uc5b4",
    "emoji \U0001f600\U0001f469\u200d\U0001f4bb\U0001f1eb\U0001f1f7 and \u0915\u094d\u0937",
    "</s> is text, and so are <s>, <|user|> and <|end|>\n<|assistant|>",
    "<|end|>",
    "<|en d|> <|end|x",
    "e\u0301 against \u00e9, \u00a0no-break, \u3000wide, zero\u200bwidth",
    "tabs\tand\r\nlines\rand trailing   ",
    "def f(x):\n    return x ** 2  # 100%\n",
    "{{ messages }} {% raw %} \\n \\\\ \"q\"",
    "\u0000\u0001\u007f\ufeff\uffff",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]

TEMPLATE = """{% set ns = namespace(system='') %}
{% if messages[0]['role'] == 'system' %}
    {% set ns.system = messages[0]['content'] | trim %}
    {% set turns = messages[1:] %}
{% else %}
    {% set turns = messages %}
{% endif %}
{{ bos_token }}{% if ns.system %}{{ '<|system|>\\n' + ns.system + '<|end|>\\n' }}{% endif %}
{% for message in turns %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Roles must alternate user/assistant/user/assistant/...') }}
    {% endif %}
    {{- '<|' + message.role + '|>\\n' + message['content'].strip() + '<|end|>' -}}
    {% if not loop.last or add_generation_prompt %}{{ '\\n' }}{% endif %}
{% endfor %}
{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"""

# Snippets of what published templates do, each rendered on its own.
SNIPPETS = {
    "tojson": "{{ messages | tojson }}|{{ messages[0] | tojson(indent=2) }}",
    "loop": "{% for m in messages %}{{ loop.index }}{{ 'f' if loop.first }}{% if loop.last %}l{% endif %}{{ loop.length }};{% endfor %}",
    "tools": "{% if not tools %}!{% endif %}{% if tools is not none and tools %}T{% else %}F{% endif %}",
    "not_none": "{% if tools is not defined or tools is none %}A{% endif %}{% if messages is iterable and messages is not string %}B{% endif %}",
    "ternary": "{{ 'x' if messages[0].role == 'system' else 'y' }}{{ messages[-1]['content'] }}",
    "default": "{{ (missing | default('d')) ~ 1 }}{% set a = a | default(false) %}{% if not a %}a{% endif %}",
    "split": "{{ 'a</think>b'.split('</think>')[-1].lstrip('\\n') }}{% if 'x'.startswith('x') %}{{ 'abc'[1:] }}{% endif %}{{ 'A b'.lower().title() }}",
    "filters": "{{ messages | length }}{{ messages | map(attribute='role') | join(',') }}{{ (messages | selectattr('role', 'equalto', 'user') | list | length) }}",
    "whitespace": "  {%- for m in messages -%}\n  {{ m.role }}  \n  {%- endfor %}\n\n   end   ",
    "blocks": "a\n  {% if true %}\n  b\n  {% endif %}\n{# note #}\nc {% if false %}d{% endif %}\n\n",
    "in": "{% if 'content' in messages[0] and 'x' not in messages[0] %}yes{% endif %}{{ messages[0].get('name', 'anon') }}",
    "items": "{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}",
    "macro": "{% macro turn(r, c='z') %}[{{ r }}:{{ c }}]{% endmacro %}{{ turn('u') }}{{ turn('u', c='1') }}",
    "arithmetic": "{{ 7 // 2 }}{{ 7 % 4 }}{{ 1 + 2 * 3 }}",
    "escape": "{{ '<&>\"' }}{{ '\\n' }}",
    "dict": "{% set d = {'a': 1, 'b': [1, 2]} %}{{ d.a }}{{ d['b'][1] }}{{ d.b | length }}",
    "case": "{{ messages[0]['content'] | upper | replace('B', 'b') | trim }}",
    "scope": "{% set x = 1 %}{% for m in messages %}{% set x = 2 %}{% endfor %}{{ x }}",
    "bracketed": "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set sys = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set sys = false %}{% endif %}{% for m in rest %}{% if loop.index0 == 0 and sys != false %}{% set content = '<<' + sys + '>>\\n\\n' + m['content'] %}{% else %}{% set content = m['content'] %}{% endif %}{% if m['role'] == 'user' %}{{ bos_token + '[I] ' + content.strip() + ' [/I]' }}{% elif m['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}",
    "headers": "{% for m in messages %}{% set content = '[' + m['role'] + ']\\n\\n' + m['content'] | trim + '<e>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{{ '[assistant]\\n\\n' }}",
    "markers": "{% for m in messages %}{{'<b>' + m['role'] + '\\n' + m['content'] + '<e>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<b>assistant\\n' }}{% endif %}",
    "lines": "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}",
}

DIALOGUES = {
    "user": [{"role": "user", "content": "Hello there"}],
    "system": [
        {"role": "system", "content": "  Be kind.\n"},
        {"role": "user", "content": "Who sings? "},
        {"role": "assistant", "content": "The robot sings."},
        {"role": "user", "content": "\u65e5\u672c \"quoted\" <&> {{ bos_token }} {% raise %} </s>"},
    ],
}


def dump(value, *path):
    file = os.path.join(OUT, *path)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with open(file, "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=True)
        out.write("\n")


def make_tokenizer():
    """A byte-level BPE of 384 tokens with <s>, </s>, <pad> and chat markers, that starts documents with <s>."""
    generator = torch.Generator().manual_seed(1)
    corpus = []
    for _ in range(400):
        picks = torch.randint(len(WORDS), (12,), generator=generator).tolist()
        corpus.append(" ".join(WORDS[i] for i in picks).capitalize() + ". It's 20% \u00e9t\u00e9!\n")
    specials = ["<s>", "</s>", "<pad>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        clean_up_tokenization_spaces=False,
        model_max_length=128,
    )
    fast.chat_template = TEMPLATE
    return fast


def corpus():
    generator = torch.Generator().manual_seed(2)
    for _ in range(300):
        picks = torch.randint(len(WORDS), (10,), generator=generator).tolist()
        yield " ".join(WORDS[i] for i in picks) + " <s> It's 1234 caf\u00e9 \u65e5\u672c!\n"


def make_metaspace():
    """The kind of Llama 2: blanks as a letter, put in front of the text, unknown letters as bytes."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    trainer = trainers.BpeTrainer(vocab_size=160, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False)
    tokenizer.train_from_iterator((text.split("<s>")[0] for text in corpus()), trainer)
    state = json.loads(tokenizer.to_str())
    vocab = state["model"]["vocab"]
    for byte in range(256):
        vocab[f"<0x{byte:02X}>"] = len(vocab)
    state["model"]["byte_fallback"] = True
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )


def make_split():
    """The kind of Llama 3: words cut by a regular expression, whole words looked up first, special tokens behind the vocabulary."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    cut = pre_tokenizers.Split(
        Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
        "isolated",
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_special_tokens(["<|begin|>", "</s>", "<|user|>", "<|end|>"])
    begin = tokenizer.token_to_id("<|begin|>")
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", begin)]),
        ]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="</s>", clean_up_tokenization_spaces=False
    )


def tokenizer_goldens(tokenizer):
    tokenization_goldens(tokenizer, "tokenization.json")
    chat_goldens(tokenizer)
    for name, other in (("tokenizer-metaspace", make_metaspace()), ("tokenizer-split", make_split())):
        other.save_pretrained(os.path.join(OUT, name))
        tokenization_goldens(other, name, "tokenization.json")


def tokenization_goldens(tokenizer, *path):
    cases = []
    for text in HARD:
        plain = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        rendered = tokenizer(text, add_special_tokens=False)["input_ids"]
        document = tokenizer(text, split_special_tokens=True)["input_ids"]
        cases.append(
            {
                "text": text,
                "encode": plain,
                "rendered": rendered,
                "document": document,
                "decoded": tokenizer.decode(rendered, skip_special_tokens=True),
                "spelled": tokenizer.decode(rendered, skip_special_tokens=False),
            }
        )
    dump(cases, *path)


def chat_goldens(tokenizer):
    chats = []
    for name, dialogue in DIALOGUES.items():
        for prompt in (False, True):
            chats.append(
                {
                    "name": name,
                    "messages": dialogue,
                    "add_generation_prompt": prompt,
                    "text": tokenizer.apply_chat_template(dialogue, tokenize=False, add_generation_prompt=prompt),
                }
            )
    snippets = []
    for name, source in SNIPPETS.items():
        text = tokenizer.apply_chat_template(DIALOGUES["system"], chat_template=source, tokenize=False)
        snippets.append({"name": name, "source": source, "text": text})
    dump({"chats": chats, "snippets": snippets, "snippet_messages": DIALOGUES["system"]}, "chat.json")


def randomize(model, seed):
    """Weights large enough that attention and the norms matter; the defaults make almost constant models."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) * (1.5 / parameter.shape[-1] ** 0.5))


def logprobs_of(logits, ids):
    steps = torch.log_softmax(logits[:-1].double(), -1)
    return steps[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].tolist()


def model_goldens(model, name, file, with_logits=True):
    """Logits of one text, logprobs of a batch of unequal lengths, and greedy continuations, all in fp32."""
    model = model.float().eval()
    vocab = model.config.vocab_size
    generator = torch.Generator().manual_seed(5)
    batch = [torch.randint(7, vocab, (n,), generator=generator).tolist() for n in (24, 3, 40, 11)]
    with torch.no_grad():
        logits = [model(torch.tensor([ids])).logits[0] for ids in batch]
        padded = model(
            torch.tensor([ids + [0] * (40 - len(ids)) for ids in batch]),
            attention_mask=torch.tensor([[1] * len(ids) + [0] * (40 - len(ids)) for ids in batch]),
        ).logits
        for row, ids in enumerate(batch):
            worst = (padded[row, : len(ids)] - logits[row]).abs().max().item()
            assert worst < 1e-4, worst
        greedy = []
        for ids in batch:
            model.generation_config.eos_token_id = None
            out = model.generate(
                torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                max_new_tokens=64, do_sample=False, pad_token_id=0, eos_token_id=None,
            )[0].tolist()[len(ids):]
            assert len(out) == 64
            full = torch.log_softmax(model(torch.tensor([ids + out])).logits[0].double(), -1)
            # The gap between first and second choice: how much rounding a greedy comparison bears.
            top = full[len(ids) - 1 : -1].topk(2).values
            greedy.append({"tokens": out, "smallest_gap": (top[:, 0] - top[:, 1]).min().item()})
    golden = {
        "batch": batch,
        "logprobs": [logprobs_of(l, ids) for l, ids in zip(logits, batch)],
        "greedy": greedy,
    }
    if with_logits:
        golden["logits"] = [[round(v, 7) for v in row] for row in logits[0].tolist()]
    dump(golden, name, file)


def make_gqa(tokenizer):
    directory = os.path.join(OUT, "gqa-tied-bf16")
    config = LlamaConfig(
        vocab_size=384, hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=8,
        num_key_value_heads=2, max_position_embeddings=128, rms_norm_eps=1e-5, rope_theta=10000.0,
        tie_word_embeddings=True, bos_token_id=0, eos_token_id=[1, 6], pad_token_id=2,
    )
    model = LlamaForCausalLM(config)
    randomize(model, 11)
    model.to(torch.bfloat16).save_pretrained(directory, max_shard_size="80KB", safe_serialization=True)
    tokenizer.save_pretrained(directory)
    model = LlamaForCausalLM.from_pretrained(directory, torch_dtype=torch.float32)
    model_goldens(model, "gqa-tied-bf16", "expected.json")
    return directory


def make_untied():
    directory = os.path.join(OUT, "untied-llama3-fp16")
    config = LlamaConfig(
        vocab_size=173, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, head_dim=16, max_position_embeddings=256, rms_norm_eps=1e-6, rope_theta=500000.0,
        rope_scaling={
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    randomize(model, 12)
    model.to(torch.float16).save_pretrained(directory, safe_serialization=True)
    model = LlamaForCausalLM.from_pretrained(directory, torch_dtype=torch.float32)
    model_goldens(model, "untied-llama3-fp16", "expected.json")


def make_linear():
    directory = os.path.join(OUT, "linear-rope-fp32")
    config = LlamaConfig(
        vocab_size=101, hidden_size=32, intermediate_size=40, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=128, rope_scaling={"rope_type": "linear", "factor": 2.5},
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    randomize(model, 13)
    model.save_pretrained(directory, safe_serialization=True)
    model_goldens(model, "linear-rope-fp32", "expected.json", with_logits=False)


def make_adapter(base):
    torch.manual_seed(21)
    model = LlamaForCausalLM.from_pretrained(base, torch_dtype=torch.float32)
    config = peft.LoraConfig(
        r=4, lora_alpha=10, target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        lora_dropout=0.0, bias="none", task_type="CAUSAL_LM",
    )
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(0.2 * torch.randn_like(parameter))
    directory = os.path.join(OUT, "gqa-adapter")
    model.save_pretrained(directory)
    readme = os.path.join(directory, "README.md")
    if os.path.exists(readme):
        os.remove(readme)
    # The path of the base is this machine's.
    file = os.path.join(directory, "adapter_config.json")
    with open(file, encoding="utf-8") as f:
        settings = json.load(f)
    settings["base_model_name_or_path"] = "gqa-tied-bf16"
    settings["target_modules"] = sorted(settings["target_modules"])
    with open(file, "w", encoding="utf-8") as f:
        json.dump(settings, f, indent=2)
        f.write("\n")
    model_goldens(model.merge_and_unload(), "gqa-adapter", "expected.json")


def main():
    os.makedirs(OUT, exist_ok=True)
    for entry in os.scandir(OUT):
        # These belong to the other scripts.
        if entry.name not in ("adapters", "families", "gguf"):
            shutil.rmtree(entry.path) if entry.is_dir() else os.remove(entry.path)
    tokenizer = make_tokenizer()
    tokenizer_goldens(tokenizer)
    base = make_gqa(tokenizer)
    make_untied()
    make_linear()
    make_adapter(base)
    dump(
        {
            "torch": torch.__version__, "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__, "peft": peft.__version__,
        },
        "versions.json",
    )


if __name__ == "__main__":
    main()
