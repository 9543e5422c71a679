"""Makes src/test/resources/golden/gguf with the gguf package 0.19.0, transformers 4.57.1, tokenizers 0.22.2, torch 2.7.1
and llama-cpp-python 0.3.36.

    python make_gguf.py [TARGET]

types.gguf: for every storage type that is read a tensor of two rows, and beside it, named NAME.expected, the same
dequantised by the gguf package to float32.

families/NAME.gguf with NAME.json: a random model of each family as llama.cpp's converter would store it, its matrices in several
types, with a tokenizer. The JSON has the configuration that transformers has of it, logits of transformers on the
dequantised weights (llama.cpp agrees with them, which is checked here), and ids of hard strings as llama.cpp gives them.
"""

import json
import os
import sys
import tempfile
import unicodedata
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import gguf
import numpy as np
import torch
import transformers
from gguf import GGMLQuantizationType as Type
from llama_cpp import Llama
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

TARGET = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent.parent / "resources" / "golden" / "gguf")
COLUMNS = 512

# Byte positions of the halves in a block: the steps and least numbers. All other bytes may be anything.
HALVES = {
    Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q5_0: [0], Type.Q5_1: [0, 2], Type.Q8_0: [0],
    Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208],
}


def blocks(kind, random):
    """Every bit pattern is possible but for the halves, which are ordinary numbers of both signs."""
    numbers, size = gguf.GGML_QUANT_SIZES[kind]
    data = random.integers(0, 256, (2, COLUMNS // numbers, size), dtype=np.uint8)
    for at in HALVES[kind]:
        halves = random.normal(0, 0.05, data.shape[:2]).astype(np.float16)
        data[:, :, at:at + 2] = halves[..., None].view(np.uint8)
    return data.reshape(2, -1)


def types(target):
    random = np.random.default_rng(20)
    writer = gguf.GGUFWriter(target, "llama")
    writer.add_uint8("test.uint8", 200)
    writer.add_int8("test.int8", -3)
    writer.add_uint16("test.uint16", 60000)
    writer.add_int16("test.int16", -300)
    writer.add_uint32("test.uint32", 4_000_000_000)
    writer.add_int32("test.int32", -70000)
    writer.add_uint64("test.uint64", 1 << 40)
    writer.add_int64("test.int64", -(1 << 40))
    writer.add_float32("test.float32", 0.5)
    writer.add_float64("test.float64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "Grüße 🦙")
    writer.add_array("test.strings", ["a", "", "▁b"])
    writer.add_array("test.ints", [1, -2, 3])
    writer.add_array("test.floats", [0.5, -1.25])
    writer.add_array("test.bools", [True, False])
    ordinary = random.normal(0, 1, (2, COLUMNS)).astype(np.float32)
    writer.add_tensor("F32", ordinary)
    writer.add_tensor("F16", ordinary.astype(np.float16))
    writer.add_tensor("F16.expected", ordinary.astype(np.float16).astype(np.float32))
    bf16 = gguf.quants.quantize(ordinary, Type.BF16)
    writer.add_tensor("BF16", bf16, raw_dtype=Type.BF16)
    writer.add_tensor("BF16.expected", gguf.quants.dequantize(bf16, Type.BF16))
    for kind in HALVES:
        data = blocks(kind, random)
        writer.add_tensor(kind.name, data, raw_dtype=kind)
        writer.add_tensor(kind.name + ".expected", gguf.quants.dequantize(data, kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()



CORPUS = [
    "the cat sat on the mat and then the other cat sat there too, didn't it?",
    "What is the answer? The answer is 42, or 1234567 if you count the rest.",
    "def f(x):\n    return x + 1\n\n\nprint(f(2))\t# tabs too",
    "the   whitespace   runs  and  the   rest of them",
    "Übergrößenträger déjà vu naïve — “quoted”",
]
HARD = [
    "", " ", "  ", "the cat", " the cat", "the cat ", "the\n\ncat\n", "\tthe\t\tcat", "    the    cat", "didn't I'LL THEY'RE",
    "1234567890 12", "日本語のテキスト", "مرحبا بالعالم", "🦙🏽 e\u0301 é ﬁ \u200b|\ufeff", "\x00\x01\x7f", "a\r\nb", "<s>the</s>",
    "<0x41> ▁the ▁", "<|im_start|>user\nhi<|im_end|>", "<bos><start_of_turn>", "the cat" * 20, "…—“”", " .,!?;:", "x\u00a0y\u3000z",
]

QWEN2_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


def byte_level(writer, pre, split, control, eos, bos=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(split), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=320 - len(control), initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    trained = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(trained["vocab"], key=trained["vocab"].get) + control
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([NORMAL] * (len(tokens) - len(control)) + [CONTROL] * len(control))
    writer.add_token_merges([" ".join(merge) for merge in trained["merges"]])
    writer.add_eos_token_id(tokens.index(eos))
    if bos:
        writer.add_bos_token_id(tokens.index(bos))
    writer.add_add_bos_token(bos is not None)
    return len(tokens)


def sentence_piece(writer, control, add_space_prefix, bos, eos, pad=None):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=120))
    trained = json.loads(tokenizer.to_str())["model"]
    letters = [piece for piece in trained["vocab"] if len(piece) == 1]
    merged = ["".join(merge) for merge in trained["merges"]] + ["▁▁", "▁▁▁▁"]
    tokens = control + [f"<0x{i:02X}>" for i in range(256)] + list(dict.fromkeys(merged)) + letters
    kinds = [UNKNOWN if token == "<unk>" else CONTROL for token in control] + [BYTE] * 256
    kinds += [NORMAL] * (len(tokens) - len(kinds))
    first = len(control) + 256
    scores = [0.0] * first + [-float(i) for i in range(len(tokens) - first)]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(tokens.index(bos))
    writer.add_eos_token_id(tokens.index(eos))
    writer.add_unk_token_id(tokens.index("<unk>"))
    if pad:
        writer.add_pad_token_id(tokens.index(pad))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    if add_space_prefix is not None:
        writer.add_add_space_prefix(add_space_prefix)
    return len(tokens)


SIZES = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=256, rms_norm_eps=1e-5, attn_implementation="eager")

# Name → architecture in GGUF, configuration class, its values, tokenizer.
MODELS = {
    "llama": ("llama", "LlamaConfig", SIZES | dict(rope_theta=5000.0, tie_word_embeddings=False,
              rope_scaling=dict(rope_type="linear", factor=2.0)),
              lambda w: sentence_piece(w, ["<unk>", "<s>", "</s>"], None, "<s>", "</s>")),
    "llama3": ("llama", "LlamaConfig", SIZES | dict(head_dim=32, rope_theta=500000.0, tie_word_embeddings=True,
               max_position_embeddings=16384,
               rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                 original_max_position_embeddings=8192)),
               lambda w: byte_level(w, "llama-bpe", LLAMA3_SPLIT, ["<|begin_of_text|>", "<|eot_id|>"], "<|eot_id|>",
                                    "<|begin_of_text|>")),
    "qwen2": ("qwen2", "Qwen2Config", SIZES | dict(rope_theta=1000000.0, tie_word_embeddings=True),
              lambda w: byte_level(w, "qwen2", QWEN2_SPLIT, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>")),
    "qwen3": ("qwen3", "Qwen3Config", SIZES | dict(head_dim=32, rope_theta=1000000.0, tie_word_embeddings=False),
              lambda w: byte_level(w, "qwen2", QWEN2_SPLIT, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>")),
    "gemma2": ("gemma2", "Gemma2Config", SIZES | dict(head_dim=32, query_pre_attn_scalar=32, sliding_window=16,
               attn_logit_softcapping=5.0, final_logit_softcapping=3.0),
               lambda w: sentence_piece(w, ["<pad>", "<eos>", "<bos>", "<unk>"], False, "<bos>", "<eos>", "<pad>")),
    "gemma3": ("gemma3", "Gemma3TextConfig", SIZES | dict(hidden_size=32, head_dim=32, query_pre_attn_scalar=32,
               sliding_window=16, num_hidden_layers=7, num_attention_heads=2, num_key_value_heads=1,
               intermediate_size=64, rope_theta=1000000.0, rope_local_base_freq=10000.0),
               lambda w: sentence_piece(w, ["<pad>", "<eos>", "<bos>", "<unk>"], False, "<bos>", "<eos>", "<pad>")),
}


def keys(writer, name, config):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if name != "gemma2":
        writer.add_rope_freq_base(config.rope_theta)
    if name not in ("llama", "qwen2"):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    if name.startswith("llama"):
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(config.head_dim)
    if name == "llama":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_scaling["factor"])
    if name.startswith("gemma"):
        writer.add_sliding_window(config.sliding_window)
    if name == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)


def stored(name, config, key, value):
    """As the converter changes it: q and k of Llama permuted, Gemma's gains stored with their 1."""
    if name.startswith("llama") and ("q_proj" in key or "k_proj" in key):
        heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
        return value.reshape(heads, 2, -1, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
    if name.startswith("gemma") and "norm.weight" in key:
        return value + 1
    return value


def unstored(name, config, key, value):
    if name.startswith("llama") and ("q_proj" in key or "k_proj" in key):
        heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
        return value.reshape(heads, -1, 2, value.shape[1]).swapaxes(1, 2).reshape(value.shape)
    if name.startswith("gemma") and "norm.weight" in key:
        return value - 1
    return value


def tokenizer_model(path):
    return gguf.GGUFReader(path).fields["tokenizer.ggml.model"].contents()


def model(name, target, matrix_types, check):
    architecture, kind, values, tokenizer = MODELS[name]
    writer = gguf.GGUFWriter(target / f"{name}.gguf", architecture)
    rows = tokenizer(writer)
    torch.manual_seed(len(name))
    config = getattr(transformers, kind)(vocab_size=rows, **values)
    hugging = transformers.AutoModelForCausalLM.from_config(config).eval()
    keys(writer, name, config)
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    random = np.random.default_rng(len(name))
    state = hugging.state_dict()
    for i, (key, value) in enumerate(state.items()):
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        # Not 0 or 1, so that a gain or a bias that is forgotten shows.
        gain = "norm" in key
        ordinary = random.normal(0, 0.3 if gain else 0.15, tuple(value.shape))
        numbers = (ordinary + (1 if gain and not name.startswith("gemma") else 0)).astype(np.float32)
        numbers = stored(name, config, key, numbers)
        kind = Type.F32 if numbers.ndim == 1 else matrix_types[i % len(matrix_types)]
        data = gguf.quants.quantize(numbers, kind)
        base, suffix = key.rsplit(".", 1)
        writer.add_tensor(names.get_name(base) + "." + suffix, data, raw_dtype=kind)
        back = unstored(name, config, key, gguf.quants.dequantize(data, kind).astype(np.float32))
        state[key].copy_(torch.from_numpy(np.ascontiguousarray(back)))
    if name == "llama3":
        turn = 1 / config.rope_theta ** (np.arange(0, config.head_dim, 2) / config.head_dim)
        scaled = transformers.modeling_rope_utils.ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")[0].numpy()
        writer.add_tensor("rope_freqs.weight", (turn / scaled).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    peer = Llama(str(target / f"{name}.gguf"), n_ctx=64, logits_all=True, verbose=False, n_threads=1)
    ids = []
    for text in HARD:
        # Qwen's own tokenizer composes letters first (NFC), which llama.cpp leaves out.
        composed = unicodedata.normalize("NFC", text) if architecture.startswith("qwen") else text
        # SentencePiece cannot tell its mark of a space from one that was typed.
        decoded = text.replace("▁", " ") if tokenizer_model(target / f"{name}.gguf") == "llama" else composed
        ids.append(dict(text=text, decoded=decoded, ids=peer.tokenize(composed.encode(), add_bos=False, special=False)))
    prompts = [[int(i) for i in random.integers(5, rows, length)] for length in (40, 17)]
    with torch.no_grad():
        logits = [hugging(torch.tensor([prompt])).logits[0].numpy() for prompt in prompts]
    if check:  # not with blocks: llama.cpp rounds activations to them as well
        peer.eval(prompts[0])
        gap = np.abs(peer.scores[: len(prompts[0])] - logits[0]).max()
        print(name, "rows", rows, "llama.cpp against transformers: max", gap, "of", np.abs(logits[0]).max())
        assert gap < 0.01  # its cache is in half precision
    wanted = json.loads(config.to_json_string(use_diff=False))
    content = dict(
        config=dict(architectures=[type(hugging).__name__]) | {key: wanted[key] for key in sorted(wanted) if key in KEPT},
        rows=[dict(prompt=prompt, logits=[[round(float(x), 6) for x in row] for row in those[-2:]])
              for prompt, those in zip(prompts, logits)],
        bos=peer.token_bos() if peer._model.add_bos_token() else None, eos=peer.token_eos(), tokens=ids)
    (target / f"{name}.json").write_text(json.dumps(content, ensure_ascii=True) + "\n")


KEPT = {
    "model_type", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "head_dim", "rms_norm_eps", "max_position_embeddings", "rope_theta", "rope_scaling",
    "tie_word_embeddings", "sliding_window", "layer_types", "query_pre_attn_scalar", "attn_logit_softcapping",
    "final_logit_softcapping", "rope_local_base_freq",
}

TARGET.mkdir(parents=True, exist_ok=True)
types(TARGET / "types.gguf")
(TARGET / "families").mkdir(exist_ok=True)
for each in MODELS:
    with tempfile.TemporaryDirectory() as aside:
        model(each, Path(aside), [Type.F32], True)
    model(each, TARGET / "families", [Type.Q8_0, Type.Q5_0, Type.F16, Type.BF16, Type.Q4_0], False)
