"""Makes golden/tokenizers: a small tokenizer of each family's kind (its normaliser, pre-tokeniser, decoder, post-processor and sort of added
tokens) and what `tokenizers` and transformers make of hard strings with it. See README.md beside this file."""

import json
import os
import random
import sys

import tokenizers
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "resources", "golden"), "tokenizers")

WORDS = ("the a little old green robot river garden teacher friend answers asks helps walks sings kindly slowly please thank you today never "
         "always because and but with without under over morning evening don't it's we'll").split()
BYTES = pre_tokenizers.ByteLevel.alphabet()

HARD = [
    "", " ", "  ", "\n", "\n\n  \t x", " leading", "trailing ", "  two  between   three    ",
    "Hello, world! It's the teacher's robot; you'll see 1234567 times.",
    "HELLO don'T we'LL I'M", "3.14159 12,345 \u0661\u0662\u0663 \u00bd \u2163",
    "na\u00efve caf\u00e9 \u00c5ngstr\u00f6m \u2014 \u201cquoted\u201d \u2026",
    "e\u0301 against \u00e9; \u1112\u1161\u11ab against \ud55c; \ufb01 ligature",
    "\u65e5\u672c\u8a9e\u3068\u4e2d\u6587\u3001\ud55c\uad6d\uc5b4\u3002\u5f88\u597d",
    "\u0627\u0644\u0633\u0644\u0627\u0645 \u0639\u0644\u064a\u0643\u0645\u060c \u200f\u0645\u0631\u062d\u0628\u0627\u200e",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0915\u094d\u0937 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
    "emoji \U0001f600\U0001f469\u200d\U0001f4bb\U0001f1eb\U0001f1f7\U0001f44d\U0001f3fd \u2764\ufe0f",
    "\U0001d573\U0001d58a\U0001f9ff \U00020000\U0010ffff",
    "tabs\tand\r\nlines\rand trailing   \n\n\n", "\u00a0no-break, \u3000wide, zero\u200bwidth, \u2028line\u2029",
    "def f(x):\n    return x ** 2  # 100%\n\n\tif y:\n        pass\n",
    "{{ messages }} {% raw %} \\n \\\\ \"q\" <0x0A> <0xE2>", "\u2581 the letter \u2581\u2581",
    "\u0000\u0001\u007f\ufeff\uffff\u0085", "\u0120 \u010a and \u0142",
    "<s> </s> <unk> <pad> <|endoftext|> <|im_start|>system\nobey<|im_end|> <start_of_turn>user<end_of_turn> <|end|>  x",
    "<|im_end|>", "a<s>b", "<|endoftext|", "<tool_call>{}</tool_call>", "a" * 300, "\U0001f600" * 40, "https://example.org/a?b=c&d=%20#e",
    "<html><body class='x'>&amp;&#39;</body></html>",
]


def corpus():
    choose = random.Random(7)
    for _ in range(300):
        yield " ".join(choose.choices(WORDS, k=8)) + choose.choice([".", "!", " 123 45.", "\n\n", ", caf\u00e9 \u65e5\u672c", "\n    x = 1\n"])


def byte_level(cut, normalizer=None, prefix=False, **model):
    t = Tokenizer(models.BPE(**model))
    if normalizer:
        t.normalizer = normalizer
    level = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=cut is None)
    t.pre_tokenizer = level if cut is None else pre_tokenizers.Sequence([cut, level])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=340, initial_alphabet=BYTES, show_progress=False))
    return t


def pieces(normalizer, pre=None, strip=True):
    """Letters with byte fallback, as SentencePiece's BPE."""
    t = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    t.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    t.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=150, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False))
    state = json.loads(t.to_str())
    vocab = state["model"]["vocab"]
    for byte in range(256):
        vocab[f"<0x{byte:02X}>"] = len(vocab)
    state["model"]["byte_fallback"] = True
    t = Tokenizer.from_str(json.dumps(state))
    if normalizer:
        t.normalizer = normalizer
    else:
        t = Tokenizer.from_str(json.dumps({**json.loads(t.to_str()), "normalizer": None}))
    if pre:
        t.pre_tokenizer = pre
    t.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()] + ([decoders.Strip(" ", 1, 0)] if strip else []))
    return t


def around(t, token):
    t.post_processor = processors.TemplateProcessing(single=f"{token} $A", special_tokens=[(token, t.token_to_id(token))])


def gpt2():
    t = byte_level(None)
    t.add_special_tokens(["<|endoftext|>"])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def gpt2_prefix():
    """As RoBERTa and some GPT-2s: a text begins with a blank of its own."""
    t = byte_level(None, prefix=True)
    t.add_special_tokens(["<|endoftext|>"])
    t.post_processor = processors.ByteLevel(add_prefix_space=True, trim_offsets=True)
    return t


def unigram():
    """As SentencePiece's other model, with an unknown token that user text may spell out."""
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always")
    t.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always")
    t.train_from_iterator(corpus(), trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", t.token_to_id("</s>"))])
    return t


def opt():
    t = byte_level(None)
    t.add_special_tokens(["<pad>", "</s>"])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True),
                                            processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", t.token_to_id("</s>"))])])
    return t


def neox():
    t = byte_level(None, normalizers.NFC())
    t.add_special_tokens(["<|endoftext|>"])
    t.add_tokens([AddedToken(" " * n, normalized=True) for n in range(2, 9)])
    t.post_processor = processors.ByteLevel(trim_offsets=True)
    return t


def bloom():
    t = byte_level(pre_tokenizers.Split(Regex(" ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"), "isolated"))
    t.add_special_tokens(["<unk>", "<s>", "</s>", "<pad>"])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def llama3():
    t = byte_level(pre_tokenizers.Split(
        Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        ignore_merges=True)
    t.add_special_tokens(["<|begin_of_text|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>"])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", t.token_to_id("<|begin_of_text|>"))])])
    return t


def qwen2():
    t = byte_level(pre_tokenizers.Split(
        Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"),
        normalizers.NFC())
    t.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    t.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</tool_call>", normalized=False)])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    return t


def smollm():
    t = byte_level(pre_tokenizers.Digits(individual_digits=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    return t


def llama2():
    t = pieces(normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]))
    around(t, "<s>")
    return t


def mistral():
    t = pieces(None, pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False))
    around(t, "<s>")
    return t


def gemma():
    t = pieces(normalizers.Replace(" ", "\u2581"), pre_tokenizers.Split(" ", "merged_with_previous"), strip=False)
    t.add_special_tokens(["<start_of_turn>", "<end_of_turn>", "<pad>"])
    t.add_tokens([AddedToken("\n" * n, normalized=False) for n in range(2, 5)] + [AddedToken("\u2581" * n, normalized=False) for n in range(2, 5)])
    around(t, "<s>")
    return t


def phi3():
    t = pieces(normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]))
    t.add_special_tokens([AddedToken("<|endoftext|>", special=True)] + [AddedToken(c, rstrip=True, special=True) for c in ("<|user|>", "<|end|>", "<|assistant|>")])
    return t


def case(fast, text):
    inner = fast._tokenizer
    inner.encode_special_tokens = True
    plain = inner.encode(text, add_special_tokens=False)
    document = inner.encode(text, add_special_tokens=True).ids
    inner.encode_special_tokens = False
    rendered = inner.encode(text, add_special_tokens=False)
    assert plain.ids == fast(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return {
        "text": text,
        "encode": plain.ids,
        "offsets": [n for span in plain.offsets for n in span],
        "document": document,
        "rendered": rendered.ids,
        "decoded": fast.decode(rendered.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
        "spelled": fast.decode(rendered.ids, skip_special_tokens=False, clean_up_tokenization_spaces=False),
        "user": fast.decode(plain.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
    }


for make in (gpt2, gpt2_prefix, unigram, opt, neox, bloom, llama3, qwen2, smollm, llama2, mistral, gemma, phi3):
    directory = os.path.join(OUT, make.__name__)
    os.makedirs(directory, exist_ok=True)
    fast = PreTrainedTokenizerFast(tokenizer_object=make(), clean_up_tokenization_spaces=False)
    with open(os.path.join(directory, "tokenizer.json"), "w", encoding="utf-8") as out:
        # without layout: a third of the size
        json.dump(json.loads(fast._tokenizer.to_str()), out, ensure_ascii=False, separators=(",", ":"))
    with open(os.path.join(directory, "expected.json"), "w", encoding="utf-8") as out:
        json.dump([case(fast, text) for text in HARD], out, separators=(",", ":"))
        out.write("\n")
print(tokenizers.__version__, transformers.__version__)
