"""Small checkpoints whose config.json says a thing twice, or in an unusual place, with the logits of transformers 5.24.

    python make_contradictions.py ../resources/golden/contradictions [NAME ...]

Each directory gets config.json, model.safetensors, expected.json (prompts of unequal length with the logits of their last four positions)
and, where its name begins with head, an adapter with LoRA on the output matrix, whose logits are then the expected ones. The logits are those
of the model that AutoModelForCausalLM reads from the directory, after its files were changed. Made with torch 2.7.1, transformers 5.24.0 and
peft 0.21.2.
"""

import json
import os
import sys

import peft
import torch
import transformers as tf
from safetensors.torch import load_file, save_file

LENGTHS = (23, 3, 31)
SMALL = dict(vocab_size=61, num_hidden_layers=3, bos_token_id=1, eos_token_id=2, pad_token_id=0, hidden_size=24, intermediate_size=28,
             num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=128)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, beta_fast=8.0, beta_slow=0.5)
LONG = dict(rope_type="longrope", original_max_position_embeddings=40, short_factor=[1.0, 1.3, 1.7, 2.5], long_factor=[2.0, 3.0, 4.0, 5.0])


def llama(**more):
    return tf.LlamaForCausalLM(tf.LlamaConfig(**dict(SMALL, **more)))


def gemma(**more):
    return tf.Gemma3ForCausalLM(tf.Gemma3TextConfig(**dict(SMALL, num_hidden_layers=4, sliding_window=9, query_pre_attn_scalar=10, **more)))


def vision(text, kind, config, **more):
    outer = config(
        text_config=text,
        vision_config=dict(model_type=kind, hidden_size=16, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, image_size=28,
                           patch_size=14, num_channels=3),
        **more,
    )
    return outer


GEMMA_TEXT = dict(SMALL, num_hidden_layers=4, sliding_window=9, query_pre_attn_scalar=10, model_type="gemma3_text",
                  layer_types=["sliding_attention", "full_attention"] * 2)
IMAGES = dict(boi_token_index=57, eoi_token_index=58, image_token_index=59, mm_tokens_per_image=4)

# name: the model, the keys changed in its config.json (None: removed), whether its head is another matrix / its embedding is left out
CASES = {
    "theta-twice": (llama, dict(rope_theta=50.0, rope_parameters=dict(rope_type="default", rope_theta=7e4)), ""),
    "scaling-hides-parameters": (llama, dict(rope_theta=100.0, rope_scaling=dict(type="linear", factor=2.0), rope_parameters=dict(rope_type="default", rope_theta=7e4)), ""),
    "partial-without-effect": (llama, dict(partial_rotary_factor=0.5), ""),
    "original-beside": (llama, dict(rope_parameters=dict(YARN, rope_theta=1e4), original_max_position_embeddings=16), ""),
    "longrope-inside": (llama, dict(rope_parameters=dict(LONG, rope_theta=1e4, factor=6.0)), ""),
    "phi3-longrope-inside": (
        lambda: tf.Phi3ForCausalLM(tf.Phi3Config(**dict(SMALL, head_dim=8, hidden_size=32))), dict(rope_scaling=dict(LONG), rope_parameters=None), ""),
    "mistral-layer-types": (
        lambda: tf.MistralForCausalLM(tf.MistralConfig(**dict(SMALL, sliding_window=5))),
        dict(layer_types=["full_attention", "sliding_attention", "full_attention"]), ""),
    "gemma3-local-scaled": (
        gemma,
        dict(layer_types=["sliding_attention", "full_attention"] * 2,
             rope_parameters=dict(full_attention=dict(rope_type="linear", factor=2.0, rope_theta=5e4), sliding_attention=dict(YARN, truncate=False))),
        ""),
    "head-beside-embedding": (lambda: llama(tie_word_embeddings=True), dict(), "two"),
    "embedding-is-head": (lambda: llama(tie_word_embeddings=True), dict(), "head"),
    "no-architectures": (llama, dict(architectures=None), ""),
    "gemma3-images": (
        lambda: tf.Gemma3ForConditionalGeneration(vision(GEMMA_TEXT, "siglip_vision_model", tf.Gemma3Config, **IMAGES)), dict(), ""),
    "mistral3-images": (
        lambda: tf.Mistral3ForConditionalGeneration(
            vision(dict(SMALL, model_type="mistral", sliding_window=None), "pixtral", tf.Mistral3Config, image_token_index=59, tie_word_embeddings=False)),
        dict(), ""),
    "head-lora": (llama, dict(), "lora"),
    "head-lora-tied": (lambda: llama(tie_word_embeddings=True), dict(), "lora"),
}


@torch.no_grad()
def randomise(model):
    for name, p in model.named_parameters():
        if p.dim() == 1:
            p.add_(0.3 * torch.randn_like(p))
        else:
            p.copy_(torch.randn_like(p) * 0.25)
    model.tie_weights()


def change(directory, keys, weights):
    file = os.path.join(directory, "config.json")
    with open(file) as stream:
        config = json.load(stream)
    for key, value in keys.items():
        config.pop(key, None)
        if value is not None:
            config[key] = value
    with open(file, "w") as stream:
        json.dump(config, stream, indent=1, sort_keys=True)
    file = os.path.join(directory, "model.safetensors")
    tensors = load_file(file)
    embedding = tensors["model.embed_tokens.weight"] if weights in ("two", "head") else None
    if weights == "two":
        tensors["lm_head.weight"] = torch.randn_like(embedding) * 0.25
    if weights == "head":
        tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")
    save_file(tensors, file, metadata={"format": "pt"})
    os.chmod(file, 0o644)


def add_adapter(model, directory):
    config = peft.LoraConfig(r=2, lora_alpha=6, target_modules=["lm_head", "q_proj"], task_type="CAUSAL_LM", use_rslora=True)
    adapted = peft.get_peft_model(model, config).eval()
    with torch.no_grad():
        for name, p in adapted.named_parameters():
            if "lora_" in name:
                p.copy_(torch.randn_like(p) * 0.3)
    where = os.path.join(directory, "adapter")
    adapted.save_pretrained(where)
    os.remove(os.path.join(where, "README.md"))
    os.chmod(os.path.join(where, "adapter_model.safetensors"), 0o644)
    file = os.path.join(where, "adapter_config.json")
    with open(file) as stream:
        content = json.load(stream)
    content["base_model_name_or_path"] = os.path.basename(directory)
    content["target_modules"] = sorted(content["target_modules"])
    with open(file, "w") as stream:
        json.dump(content, stream, indent=1, sort_keys=True)
    return adapted


@torch.no_grad()
def expected(model):
    generator = torch.Generator().manual_seed(7)
    rows = []
    for n in LENGTHS:
        prompt = torch.randint(3, 57, (n,), generator=generator).tolist()
        logits = model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0, -4:]
        rows.append(dict(prompt=prompt, logits=[[round(x, 6) for x in row] for row in logits.tolist()]))
    return dict(rows=rows)


def main(out, names):
    tf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name, (make, keys, weights) in CASES.items():
        if names and name not in names:
            continue
        torch.manual_seed(sum(map(ord, name)))
        model = make().eval()
        randomise(model)
        directory = os.path.join(out, name)
        model.save_pretrained(directory)
        os.remove(os.path.join(directory, "generation_config.json"))
        plain = expected(tf.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()) if "images" not in name else None
        change(directory, keys, weights)
        kind = tf.Mistral3ForConditionalGeneration if name == "mistral3-images" else tf.AutoModelForCausalLM
        read = kind.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
        if weights == "lora":
            read = add_adapter(read, directory)
        content = expected(read)
        with open(os.path.join(directory, "expected.json"), "w") as file:
            json.dump(content, file, separators=(",", ":"))
        moved = max(abs(a - b) for x, y in zip(content["rows"], plain["rows"]) for p, q in zip(x["logits"], y["logits"]) for a, b in zip(p, q)) if plain else 0
        print(f"{name}: {type(read).__name__}, moved by the change {moved:.3f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
