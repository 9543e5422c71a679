"""What single keys of a config.json change in transformers: config_keys.json.

    python make_config_keys.py ../resources/golden/config_keys.json

Each row is a configuration, a key with a value, and what transformers makes of a model with it: the same logits and the same greedy text as
without, others, or a refusal. Made with transformers 5.24.0, torch 2.7.1.
"""

import json
import sys
import warnings

import torch
import transformers as tf

warnings.filterwarnings("ignore")
tf.logging.set_verbosity_error()
BASE = dict(vocab_size=32, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
            max_position_embeddings=64, tie_word_embeddings=False, initializer_range=0.3, bos_token_id=1, eos_token_id=2, pad_token_id=0)
FULL, SLIDING = ["full_attention"] * 3, ["sliding_attention"] * 3
WINDOW = dict(sliding_window=4)
CASES = [
    ("mistral", WINDOW, "use_sliding_window", [False, True]),
    ("mistral", dict(WINDOW, layer_types=FULL), "use_sliding_window", [False, True]),
    ("llama", {}, "use_sliding_window", [False, True]),
    ("llama", {}, "qkv_bias", [False]),
    ("llama", {}, "use_qk_norm", [False]),
    ("llama", {}, "layer_types", [FULL]),
    ("phi3", WINDOW, "use_sliding_window", [False, True]),
    ("phi3", WINDOW, "layer_types", [FULL, SLIDING, [FULL[0], SLIDING[0], FULL[0]], FULL[:2], ["x"] * 3]),
    ("phi3", {}, "layer_types", [FULL, SLIDING]),
    ("qwen2", {}, "qkv_bias", [False, True]),
    ("qwen2", {}, "use_qk_norm", [False]),
    ("qwen2", {}, "layer_types", [FULL, SLIDING]),
    ("qwen3", {}, "use_qk_norm", [False, True]),
    ("qwen3", {}, "qk_norm", [False, True]),
    ("qwen3", {}, "qkv_bias", [False]),
    ("gemma3_text", WINDOW, "use_qk_norm", [False]),
    ("gemma3_text", WINDOW, "use_sliding_window", [False]),
    ("gemma2", WINDOW, "use_sliding_window", [False]),
]
for family in ["llama", "mistral", "phi3", "qwen2", "qwen3", "gemma2", "gemma3_text"]:
    CASES += [(family, {}, "chunk_size_feed_forward", [0, 1]), (family, {}, "per_layer_config", [{}, {"0": {"intermediate_size": 16}}]),
              (family, {}, "use_bidirectional_attention", [False])]


def outputs(config):
    config = tf.AutoConfig.for_model(config["model_type"]).__class__.from_dict(json.loads(json.dumps(config)))
    torch.manual_seed(0)
    model = tf.AutoModelForCausalLM.from_config(config).eval()
    ids = (torch.arange(24) * 7 % 31)[None]
    with torch.no_grad():
        return model(ids).logits, model.generate(ids[:, :10], max_new_tokens=12, do_sample=False, pad_token_id=0, eos_token_id=None)


rows = []
for family, extra, key, values in CASES:
    config = dict(BASE, model_type=family, **extra)
    if family != "phi3":
        config["head_dim"] = 8
    without = outputs(config)
    for value in values:
        try:
            same = all(torch.equal(a, b) for a, b in zip(outputs(dict(config, **{key: value})), without))
            outcome = "same" if same else "other"
        except Exception as e:
            outcome = "refused"
        rows.append(dict(config=config, key=key, value=value, outcome=outcome))
        print(family, extra, key, value, outcome)
with open(sys.argv[1], "w") as f:
    f.write("[" + ",\n ".join(json.dumps(row) for row in rows) + "]\n")
