"""Golden checkpoints of every decoder family: random weights, unusual shapes, transformers' logits and greedy continuations.

    python make_families.py ../resources/golden/families [NAME ...]

Each directory gets config.json, model.safetensors and expected.json: prompts of unequal length, logits at each of their positions, and 64
greedy tokens behind each, without a cache; and adapter, a LoRA by PEFT on all linear layers, with the last logits of each prompt. The
smallest distance between the best and the second best logit is printed: it says how much a sum in another order may change. A case whose
traits (TRAITS) do not move the logits is refused. Made with torch 2.7.1, transformers 4.57.1 and peft 0.17.1; llama-longrope with 5.24.0 and 0.21.
"""

import copy
import json
import os
import sys

import peft
import torch
import transformers as tf

LENGTHS = (23, 3, 40, 11)
# among the last 32 tokens of a continuation
LEAST_DIFFERENT = 3
LONG = {
    "rope_type": "longrope", "rope_theta": 10000.0, "factor": 4.0, "short_factor": [1.0, 1.1, 1.4, 2.0], "long_factor": [1.5, 2.0, 4.0, 6.0]
}
SMALL = dict(vocab_size=151, num_hidden_layers=3, bos_token_id=1, eos_token_id=2, pad_token_id=0)
# four heads of 6 on a width of 30: the width of all heads is not the model's
ODD = dict(SMALL, hidden_size=30, intermediate_size=44, num_attention_heads=4, num_key_value_heads=2, head_dim=6, max_position_embeddings=160)
EVEN = dict(ODD, hidden_size=32, head_dim=8)
WHOLE = {key: value for key, value in EVEN.items() if key != "head_dim"}

NEOX = dict(SMALL, hidden_size=32, intermediate_size=44, num_attention_heads=4, max_position_embeddings=160)
OPT = dict(SMALL, hidden_size=35, ffn_dim=44, num_attention_heads=5, max_position_embeddings=160, word_embed_proj_dim=35)

FAMILIES = {
    "llama-bias": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**ODD, attention_bias=True, mlp_bias=True)),
    "qwen2": lambda: tf.Qwen2ForCausalLM(tf.Qwen2Config(**EVEN)),
    "qwen2-window": lambda: tf.Qwen2ForCausalLM(
        tf.Qwen2Config(**EVEN, use_sliding_window=True, sliding_window=5, max_window_layers=1, tie_word_embeddings=True)
    ),
    "llama-yarn": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(
            **EVEN,
            rope_theta=500.0,
            rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 40, "beta_fast": 8.0, "beta_slow": 0.5},
        )
    ),
    # both borders between pairs: elsewhere beta_fast lies below the first
    "llama-yarn-borders": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(
            **dict(ODD, num_attention_heads=3, num_key_value_heads=1, head_dim=16),
            rope_theta=50.0,
            rope_scaling={
                "rope_type": "yarn", "factor": 2.5, "original_max_position_embeddings": 64, "beta_fast": 2.0, "beta_slow": 0.3,
                "attention_factor": 1.2,
            },
        )
    ),
    "llama-yarn-scaled": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(
            **EVEN,
            rope_theta=50.0,
            rope_scaling={
                "rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 64, "mscale": 0.7, "mscale_all_dim": 1.3, "truncate": False
            },
        )
    ),
    "llama-linear": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**ODD, rope_scaling={"rope_type": "linear", "factor": 4.0})),
    "llama3": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(
            **dict(ODD, num_attention_heads=3, num_key_value_heads=1, head_dim=16),
            rope_theta=500.0,
            rope_scaling={
                "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64
            },
            tie_word_embeddings=True,
        )
    ),
    "llama-dynamic": lambda: tf.LlamaForCausalLM(tf.LlamaConfig(**EVEN, rope_scaling={"rope_type": "dynamic", "factor": 2.0})),
    # beyond 32 tokens every length has frequencies of its own
    "llama-dynamic-limit": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(**dict(EVEN, max_position_embeddings=32), rope_scaling={"rope_type": "dynamic", "factor": 2.0})
    ),
    # beyond 32 tokens the long factors hold; unlike Phi-3, Llama keeps what it has in its cache
    "llama-longrope": lambda: tf.LlamaForCausalLM(
        tf.LlamaConfig(
            **dict(EVEN, max_position_embeddings=128),
            rope_scaling={
                "rope_type": "longrope", "factor": 4.0, "original_max_position_embeddings": 32,
                "short_factor": [1.0, 1.1, 1.4, 2.0], "long_factor": [1.5, 2.0, 4.0, 6.0],
            },
        )
    ),
    "mistral": lambda: tf.MistralForCausalLM(tf.MistralConfig(**ODD, sliding_window=7)),
    "phi3": lambda: tf.Phi3ForCausalLM(tf.Phi3Config(**WHOLE, partial_rotary_factor=0.75, sliding_window=6)),
    "phi3-full": lambda: tf.Phi3ForCausalLM(tf.Phi3Config(**dict(WHOLE, num_key_value_heads=1), tie_word_embeddings=True)),
    "phi3-longrope": lambda: tf.Phi3ForCausalLM(
        tf.Phi3Config(
            **dict(WHOLE, max_position_embeddings=640),
            original_max_position_embeddings=160,
            rope_scaling={"type": "longrope", "short_factor": [1.0, 1.1, 1.4, 2.0], "long_factor": [1.5, 2.0, 4.0, 6.0]},
        )
    ),
    # beyond 32 tokens the long factors hold
    "phi3-longrope-limit": lambda: tf.Phi3ForCausalLM(
        tf.Phi3Config(
            **dict(WHOLE, max_position_embeddings=128),
            original_max_position_embeddings=32,
            partial_rotary_factor=0.75,
            rope_scaling={"type": "longrope", "short_factor": [1.2, 1.5, 2.0], "long_factor": [2.0, 4.0, 6.0]},
        )
    ),
    "gpt2": lambda: tf.GPT2LMHeadModel(tf.GPT2Config(vocab_size=151, n_positions=160, n_embd=35, n_layer=3, n_head=5, n_inner=44, bos_token_id=1, eos_token_id=2)),
    "gpt-neox": lambda: tf.GPTNeoXForCausalLM(tf.GPTNeoXConfig(**NEOX, rotary_pct=0.25)),
    "gpt-neox-sequential": lambda: tf.GPTNeoXForCausalLM(
        tf.GPTNeoXConfig(**NEOX, rotary_pct=0.5, use_parallel_residual=False, attention_bias=False, tie_word_embeddings=True)
    ),
    "opt": lambda: tf.OPTForCausalLM(tf.OPTConfig(**OPT)),
    "opt-untied": lambda: tf.OPTForCausalLM(tf.OPTConfig(**OPT, enable_bias=False, tie_word_embeddings=False)),
    "bloom": lambda: tf.BloomForCausalLM(tf.BloomConfig(vocab_size=151, hidden_size=30, n_layer=3, n_head=5)),
    "gemma2": lambda: tf.Gemma2ForCausalLM(
        tf.Gemma2Config(
            **ODD,
            query_pre_attn_scalar=10,
            sliding_window=9,
            attn_logit_softcapping=1.5,
            final_logit_softcapping=3.0,
            attn_implementation="eager",
        )
    ),
    "gemma3": lambda: tf.Gemma3ForCausalLM(
        tf.Gemma3TextConfig(
            **dict(ODD, num_hidden_layers=4),
            query_pre_attn_scalar=10,
            sliding_window=6,
            sliding_window_pattern=3,
            rope_scaling={"rope_type": "linear", "factor": 4.0},
        )
    ),
    "gemma3-untied": lambda: tf.Gemma3ForCausalLM(
        tf.Gemma3TextConfig(
            **ODD, sliding_window=70, sliding_window_pattern=2, tie_word_embeddings=False, final_logit_softcapping=2.0, attention_bias=True
        )
    ),
    "qwen3": lambda: tf.Qwen3ForCausalLM(tf.Qwen3Config(**ODD, rope_theta=1e6)),
}

YARN = FAMILIES["llama-yarn"]().config.rope_scaling
SCALED = FAMILIES["llama-yarn-scaled"]().config.rope_scaling
BORDERS = FAMILIES["llama-yarn-borders"]().config.rope_scaling
UNSCALED = dict(rope_scaling=None)

# What sets a case apart: with each of these changes to its configuration, the logits must be others. A golden file whose trait has no
# effect would hold nobody to it.
TRAITS = {
    "qwen2": [dict(rope_theta=1e5)],
    "qwen2-window": [dict(sliding_window=6), dict(layer_types=["sliding_attention"] * 3), dict(layer_types=["full_attention"] * 3)],
    "qwen3": [dict(rope_theta=1e4), dict(rms_norm_eps=0.1)],
    "llama-linear": [UNSCALED],
    "llama3": [UNSCALED, dict(rope_scaling={"rope_type": "linear", "factor": 8.0})],
    "llama-yarn": [UNSCALED, dict(rope_scaling={"rope_type": "linear", "factor": 4.0}), dict(rope_scaling=dict(YARN, beta_slow=4.0))],
    "llama-yarn-borders": [
        dict(rope_scaling=dict(BORDERS, beta_fast=6.0)), dict(rope_scaling=dict(BORDERS, beta_slow=1.0)),
        dict(rope_scaling=dict(BORDERS, attention_factor=None)),
    ],
    "llama-yarn-scaled": [UNSCALED, dict(rope_scaling=dict(SCALED, truncate=True)), dict(rope_scaling=dict(SCALED, mscale=1.3))],
    "llama-dynamic-limit": [UNSCALED, dict(max_position_embeddings=36)],
    "llama-longrope": [dict(rope_parameters=dict(LONG, original_max_position_embeddings=64))],
    "mistral": [dict(sliding_window=8), dict(sliding_window=None)],
    "phi3": [dict(sliding_window=7), dict(rope_theta=1e5)],
    "phi3-full": [dict(partial_rotary_factor=0.75)],
    "phi3-longrope": [UNSCALED, dict(original_max_position_embeddings=150)],
    "phi3-longrope-limit": [UNSCALED, dict(original_max_position_embeddings=64)],
    "gemma2": [
        dict(sliding_window=10), dict(attn_logit_softcapping=50.0), dict(final_logit_softcapping=30.0), dict(query_pre_attn_scalar=6),
        dict(layer_types=["full_attention", "sliding_attention", "full_attention"]),
    ],
    "gemma3": [
        UNSCALED, dict(sliding_window=7), dict(rope_theta=1e4), dict(rope_local_base_freq=1e5), dict(query_pre_attn_scalar=6),
        dict(layer_types=["sliding_attention"] * 4),
    ],
    "gemma3-untied": [dict(final_logit_softcapping=30.0), dict(rope_local_base_freq=1e5)],
    "gpt2": [dict(activation_function="relu"), dict(scale_attn_weights=False)],
    "gpt-neox": [dict(use_parallel_residual=False), dict(rotary_pct=0.5, partial_rotary_factor=0.5), dict(hidden_act="relu")],
    "gpt-neox-sequential": [dict(use_parallel_residual=True), dict(rotary_pct=1.0, partial_rotary_factor=1.0)],
    "opt": [dict(activation_function="gelu")],
    "bloom": [dict(apply_residual_connection_post_layernorm=True)],
}


def randomise(model):
    # weights large enough that attention is uneven and the continuation does not repeat one token
    tied = model.config.tie_word_embeddings
    with torch.no_grad():
        for name, p in model.named_parameters():
            embedding = any(part in name for part in ("embed", "wte", "wpe"))
            if p.dim() == 1:
                p.add_(0.3 * torch.randn_like(p))
            elif embedding:
                p.copy_(torch.randn_like(p) * (0.15 if tied else 0.4))
            else:
                p.copy_(torch.randn_like(p) * (0.3 if tied else 0.15))
            # The norms behind Gemma's layers bound what they add: beside a scaled embedding, every token would be followed by itself.
            if "post_" in name and "gemma" in model.config.model_type:
                p.add_(5)
            # BLOOM likewise starts from a normed embedding.
            if "word_embeddings_layernorm" in name:
                p.mul_(0.1)
    model.tie_weights()


@torch.no_grad()
def expected(whole):
    generator = torch.Generator().manual_seed(7)
    prompts = [torch.randint(3, 151, (n,), generator=generator).tolist() for n in LENGTHS]
    content, margin = [], float("inf")
    for prompt in prompts:
        # dynamic frequencies remember the longest text that a model has seen
        model = copy.deepcopy(whole)
        logits = model(torch.tensor([prompt]), use_cache=False).logits[0]
        logits = [[round(x, 6) for x in row] for row in logits.tolist()]
        tokens = list(prompt)
        for _ in range(64):
            last = model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
            best = last.topk(2).values
            margin = min(margin, float(best[0] - best[1]))
            tokens.append(int(last.argmax()))
        if margin < 1e-3 or len(set(tokens[-32:])) < LEAST_DIFFERENT:
            return None, 0
        content.append(dict(prompt=prompt, logits=logits, greedy=dict(tokens=tokens[len(prompt) :])))
    return dict(rows=content), margin


@torch.no_grad()
def check_traits(name, directory):
    """The least movement of the logits over the traits; 1 where there are none to check."""
    generator = torch.Generator().manual_seed(8)
    prompt = torch.randint(3, 151, (1, max(LENGTHS)), generator=generator)
    least = 1.0
    for changes in [{}] + TRAITS.get(name, []):
        config = tf.AutoConfig.from_pretrained(directory)
        for key, value in changes.items():
            setattr(config, key, value)
        model = tf.AutoModelForCausalLM.from_pretrained(directory, config=config, dtype=torch.float32, attn_implementation="eager").eval()
        logits = model(prompt, use_cache=False).logits
        if not changes:
            reference = logits
            continue
        moved = float((logits - reference).abs().max())
        assert moved > 0.01, f"{name}: {changes} moves no logit by more than {moved}"
        least = min(least, moved)
    return least


@torch.no_grad()
def add_adapter(directory):
    torch.manual_seed(3)
    base = tf.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager").eval()
    model = peft.get_peft_model(base, peft.LoraConfig(r=2, lora_alpha=6, target_modules="all-linear", task_type="CAUSAL_LM")).eval()
    for name, p in model.named_parameters():
        if "lora_" in name:
            p.copy_(torch.randn_like(p) * 0.15)
    model.save_pretrained(os.path.join(directory, "adapter"))
    os.remove(os.path.join(directory, "adapter", "README.md"))
    os.chmod(os.path.join(directory, "adapter", "adapter_model.safetensors"), 0o644)
    file = os.path.join(directory, "adapter", "adapter_config.json")
    with open(file) as stream:
        config = json.load(stream)
    config["base_model_name_or_path"] = os.path.basename(directory)
    config["target_modules"] = sorted(config["target_modules"])
    with open(file, "w") as stream:
        json.dump(config, stream, indent=2, sort_keys=True)
    with open(os.path.join(directory, "expected.json")) as stream:
        content = json.load(stream)
    for row in content["rows"]:
        last = model(torch.tensor([row["prompt"]]), use_cache=False).logits[0, -1]
        row["adapter_logits"] = [[round(x, 6) for x in last.tolist()]]
    with open(os.path.join(directory, "expected.json"), "w") as stream:
        json.dump(content, stream, separators=(",", ":"))


def main(out, names):
    tf.logging.set_verbosity_error()
    torch.set_num_threads(1)
    for name, make in FAMILIES.items():
        if names and name not in names:
            continue
        # a seed whose continuations neither hang on rounding nor end in one token for ever
        margin, seed = 0, sum(map(ord, name))
        while margin < 1e-3:
            torch.manual_seed(seed)
            model = make().eval()
            randomise(model)
            content, margin = expected(model)
            seed += 1
        directory = os.path.join(out, name)
        model.save_pretrained(directory)
        os.remove(os.path.join(directory, "generation_config.json"))
        os.chmod(os.path.join(directory, "model.safetensors"), 0o644)
        with open(os.path.join(directory, "expected.json"), "w") as file:
            json.dump(content, file, separators=(",", ":"))
        least = check_traits(name, directory)
        add_adapter(directory)
        different = len(set(sum((row["greedy"]["tokens"] for row in content["rows"]), [])))
        spread = torch.tensor(content["rows"][0]["logits"]).std()
        print(f"{name}: margin {margin:.4f}, {different} different greedy tokens, logits' deviation {spread:.2f}, traits move {least:.2f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
