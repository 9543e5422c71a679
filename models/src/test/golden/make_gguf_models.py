"""Makes src/test/resources/golden/gguf/{llama,gemma3,qwen2,qwen3,pieces,words}.gguf of the golden checkpoints and tokenizers beside
them, with the gguf package (0.19.0) and the names and layouts of llama.cpp's convert_hf_to_gguf.py: rows of Llama's queries and keys
by rotary pairs, Gemma's norms plus one, scores of SentencePiece's tokens by the rank of their merge.

    python make_gguf_models.py
"""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from safetensors.torch import load_file

GOLDEN = Path(__file__).parent.parent / "resources" / "golden"

GLOBAL = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
GEMMA = {**LAYER, "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
         "post_feedforward_layernorm": "post_ffw_norm"}


def name_of(name, layer):
    stem, kind = name.rsplit(".", 1)
    if stem in GLOBAL:
        return f"{GLOBAL[stem]}.{kind}"
    _, _, number, rest = stem.split(".", 3)
    return f"blk.{number}.{layer[rest]}.{kind}"


def pairs(weight, heads):
    """What convert_hf_to_gguf.py calls permute."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def model(source, target, architecture, tokenizer=None):
    config = json.loads((source / "config.json").read_text())
    writer = gguf.GGUFWriter(target, architecture)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    if config.get("rope_scaling"):
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config["rope_scaling"]["factor"])
    if architecture == "gemma3":
        writer.add_sliding_window(config["sliding_window"])
    eos = config["eos_token_id"]
    writer.add_bos_token_id(config["bos_token_id"]) if config.get("bos_token_id") is not None else None
    writer.add_eos_token_id(eos[0] if isinstance(eos, list) else eos)
    if isinstance(eos, list):
        writer.add_eot_token_id(eos[1])
    if config.get("pad_token_id") is not None:
        writer.add_pad_token_id(config["pad_token_id"])
    if tokenizer:
        words(writer, tokenizer, "default", True)
    tensors = {}
    for file in sorted(source.glob("*.safetensors")):
        tensors.update(load_file(file))
    for name, tensor in tensors.items():
        values = tensor.to(torch.float32).numpy()
        if architecture == "gemma3" and name.endswith("norm.weight"):
            values = values + np.float32(1)
        if architecture == "llama" and ".q_proj." in name:
            values = pairs(values, config["num_attention_heads"])
        if architecture == "llama" and ".k_proj." in name:
            values = pairs(values, config["num_key_value_heads"])
        stored = name_of(name, GEMMA if architecture == "gemma3" else LAYER)
        if tensor.dtype == torch.bfloat16 and values.ndim > 1:
            writer.add_tensor(stored, gguf.quants.quantize(np.ascontiguousarray(values), Type.BF16), raw_dtype=Type.BF16)
        else:
            writer.add_tensor(stored, np.ascontiguousarray(values))
    close(writer)


def vocabulary(source):
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    config = json.loads((source / "tokenizer_config.json").read_text())
    ids = {**tokenizer["model"]["vocab"], **{t["content"]: t["id"] for t in tokenizer["added_tokens"]}}
    tokens = [token for token, _ in sorted(ids.items(), key=lambda item: item[1])]
    special = {t["content"] for t in tokenizer["added_tokens"]}
    return tokenizer, config, tokens, special


def content(token):
    return token["content"] if isinstance(token, dict) else token


def words(writer, source, split, bos):
    """Byte-level BPE."""
    tokenizer, config, tokens, special = vocabulary(source)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])
    writer.add_add_bos_token(bos)
    if (source / "chat_template.jinja").exists():
        writer.add_chat_template((source / "chat_template.jinja").read_text())


def pieces(writer, source):
    """SentencePiece's BPE."""
    tokenizer, config, tokens, special = vocabulary(source)
    scores = {}
    for rank, merge in enumerate(tokenizer["model"]["merges"]):
        left, right = merge.split(" ") if isinstance(merge, str) else merge
        scores.setdefault(left + right, -float(rank))
    types = [2 if t == content(config["unk_token"]) else 3 if t in special else 6 if t.startswith("<0x") else 1 for t in tokens]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([scores.get(token, -1e6) for token in tokens])
    writer.add_token_types(types)
    writer.add_unk_token_id(tokens.index(content(config["unk_token"])))
    writer.add_bos_token_id(tokens.index(content(config["bos_token"])))
    writer.add_eos_token_id(tokens.index(content(config["eos_token"])))
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(True)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


target = GOLDEN / "gguf"
model(GOLDEN / "gqa-tied-bf16", target / "llama.gguf", "llama", GOLDEN / "gqa-tied-bf16")
for family in ["gemma3", "qwen2", "qwen3"]:
    model(GOLDEN / "families" / family, target / f"{family}.gguf", family)
writer = gguf.GGUFWriter(target / "pieces.gguf", "llama")
pieces(writer, GOLDEN / "tokenizer-metaspace")
close(writer)
writer = gguf.GGUFWriter(target / "words.gguf", "llama")
_, config, tokens, _ = vocabulary(GOLDEN / "tokenizer-split")
writer.add_bos_token_id(tokens.index(content(config["bos_token"])))
writer.add_eos_token_id(tokens.index(content(config["eos_token"])))
words(writer, GOLDEN / "tokenizer-split", "llama-bpe", True)
close(writer)
