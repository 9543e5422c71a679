"""What transformers makes of configurations drawn at random: config_table.json.

    python make_configs.py ../resources/golden/config_table.json

Each row is a config.json (keys present, absent, null, in both places, contradicting; per family) and either what transformers builds of it
or that it refuses: for each kind of layer the inverse frequencies and the amplitude of its rotary positions, per layer the window (0 for
none), the sizes, the switches. Made with transformers 5.24.0, torch 2.7.1.
"""

import json
import random
import sys
import warnings

import torch
import transformers as tf

ROWS = 48
warnings.filterwarnings("ignore")
tf.logging.set_verbosity_error()

SIZES = dict(vocab_size=40, hidden_size=32, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4)
FAMILIES = ["llama", "mistral", "ministral", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi3", "gpt_neox", "gpt2", "opt", "bloom"]


class Drawn:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.json = {}

    def maybe(self, key, *values, p=0.3, into=None):
        if self.r.random() < p:
            (self.json if into is None else into)[key] = self.r.choice(values)

    def rope(self, family, pairs):
        """One dictionary of a rope_scaling or rope_parameters."""
        r, d = self.r, {}
        types = ["default", "default", "linear", "dynamic", "llama3", "yarn", "longrope"]
        if family == "phi3":
            types = ["default", "longrope", "longrope", "su", "yarn", "linear"]
        kind = r.choice(types)
        d[r.choice(["rope_type", "rope_type", "rope_type", "type"])] = kind
        if r.random() < 0.1:
            d["type"] = r.choice(types)
        self.maybe("rope_theta", 70000.0, 500, 123.5, p=0.4, into=d)
        self.maybe("partial_rotary_factor", 0.5, 1.0, p=0.1, into=d)
        if kind in ("linear", "dynamic", "llama3", "yarn") and r.random() < 0.95:
            d["factor"] = r.choice([2.0, 4, 8.0])
        if kind == "yarn" and r.random() < 0.1:
            d["factor"] = None
        if kind in ("llama3", "yarn", "longrope", "su"):
            self.maybe("original_max_position_embeddings", 64, 32, p=0.5, into=d)
        if kind == "llama3":
            d.update(low_freq_factor=1.0, high_freq_factor=4.0)
        if kind == "yarn":
            self.maybe("truncate", False, True, into=d)
            self.maybe("mscale", 0.7, 1.0, 0, into=d)
            self.maybe("mscale_all_dim", 0.3, 1.0, 0, into=d)
            self.maybe("beta_fast", 8, 2.0, 0, None, into=d)
            self.maybe("beta_slow", 0.5, 2, 0, None, into=d)
            self.maybe("attention_factor", 1.2, 0.0, None, p=0.2, into=d)
        if kind in ("longrope", "su") or (family == "phi3" and kind == "yarn"):
            d["short_factor"] = [1.0, 1.1, 1.5, 2.0, 2.5, 3.0][:pairs]
            d["long_factor"] = [2.0, 3.0, 4.0, 5.0, 6.0, 7.0][:pairs]
            self.maybe("factor", 9.0, 6, None, into=d)
            self.maybe("attention_factor", 1.3, None, p=0.2, into=d)
        return d


def layer_types(r, n):
    return [r.choice(["full_attention", "sliding_attention"]) for _ in range(n)]


def draw(family, seed):
    d = Drawn(seed)
    r, j = d.r, d.json
    j["model_type"] = family
    if r.random() < 0.8:
        j["architectures"] = [r.choice(["LlamaForCausalLM", "MistralForCausalLM", "Whatever"])]
    if family in ("gpt2", "bloom"):
        names = dict(n_layer=3, n_head=4)
        j.update(vocab_size=40, **names)
        j["n_embd" if family == "gpt2" else "hidden_size"] = 32
        d.maybe("num_hidden_layers", 2, p=0.2)
        d.maybe("num_attention_heads", 2, 8, p=0.2)
        d.maybe("n_embed" if family == "bloom" else "hidden_size", 16, 64, None if family == "bloom" else 16, p=0.2)
        d.maybe("n_inner", None, 44) if family == "gpt2" else None
        d.maybe("n_positions", 77) if family == "gpt2" else None
        d.maybe("max_position_embeddings", 99, p=0.2) if family == "gpt2" else None
        d.maybe("layer_norm_epsilon", 1e-6, 0.1)
        d.maybe("scale_attn_weights", False, True) if family == "gpt2" else None
    elif family == "opt":
        j.update(vocab_size=40, hidden_size=32, ffn_dim=24, num_hidden_layers=3, num_attention_heads=4)
        d.maybe("word_embed_proj_dim", None, 32)
        d.maybe("enable_bias", False, True)
        d.maybe("max_position_embeddings", 99)
    else:
        j.update(SIZES)
        head_dim = 8
        if family != "gpt_neox" and (family in ("qwen3", "gemma2", "gemma3_text") or r.random() < 0.4):
            head_dim = r.choice([8, 8, 12])
            j["head_dim"] = head_dim
        if r.random() < 0.04:
            j["head_dim"] = None
        if family in ("mistral", "ministral") and r.random() < 0.6:
            j["head_dim"] = head_dim
        # Absent is 8 in Mistral and 32 in Qwen, which four heads do not divide.
        if family != "gpt_neox":
            d.maybe("num_key_value_heads", 2, 4, p=0.5 if family in ("llama", "phi3", "gemma2", "gemma3_text") else 0.98)
            d.maybe("num_key_value_heads", None, p=0.04)
        d.maybe("max_position_embeddings", 128, 256, p=0.8)
        epsilon = "layer_norm_eps" if family == "gpt_neox" else "rms_norm_eps"
        d.maybe(epsilon, 1e-6, 0.01, p=0.3)
        d.maybe(epsilon, None, p=0.02)
        theta, part = ("rotary_emb_base", "rotary_pct") if family == "gpt_neox" else ("rope_theta", "partial_rotary_factor")
        d.maybe(theta, 5e5, 100.0, 5000, p=0.5)
        d.maybe(part, 0.5, 1.0, p=0.25 if family in ("phi3", "gpt_neox") else 0.1)
        if family == "gpt_neox":
            d.maybe("rope_theta", 3.0, p=0.2)
            d.maybe("partial_rotary_factor", 1.0, p=0.2)
        share = j.get(part, {"gpt_neox": 0.25}.get(family, 1)) if family in ("phi3", "gpt_neox") else 1
        pairs = int(head_dim * share) // 2
        if family == "gemma3_text":
            if r.random() < 0.4:
                j["rope_scaling"] = r.choice([d.rope(family, pairs), d.rope(family, pairs), None, {}])
            d.maybe("rope_local_base_freq", 333.0, 2e4)
            if r.random() < 0.6:
                p = {}
                if r.random() < 0.8:
                    p["full_attention"] = d.rope(family, pairs)
                if r.random() < 0.8:
                    p["sliding_attention"] = r.choice([d.rope(family, pairs), {"rope_type": "default", "rope_theta": 44.0}, None])
                if r.random() < 0.15:
                    p = d.rope(family, pairs)
                d.maybe("truncate", False, p=0.3, into=p)
                j["rope_parameters"] = p
        else:
            if r.random() < 0.45:
                j["rope_scaling"] = r.choice([d.rope(family, pairs)] * 4 + [None, {}])
            if r.random() < 0.5:
                j["rope_parameters"] = r.choice([d.rope(family, pairs)] * 4 + [None, {}])
        d.maybe("original_max_position_embeddings", 64, 512, p=0.2)
        d.maybe("sliding_window", 5, 9, 7, 6, None, p=0.7 if family != "llama" and family != "gpt_neox" else 0)
        if family.startswith("qwen"):
            d.maybe("use_sliding_window", True, True, False, p=0.8)
            d.maybe("max_window_layers", 0, 1, 2, p=0.7)
        if family in ("qwen2", "qwen3", "gemma2", "gemma3_text", "mistral", "ministral"):
            d.maybe("layer_types", layer_types(r, 3), layer_types(r, 3), None, ["full_attention"] * 3, p=0.5)
        if family == "gemma3_text":
            d.maybe("sliding_window_pattern", 2, 3)
            d.maybe("_sliding_window_pattern", 2, p=0.2)
        if family.startswith("gemma"):
            d.maybe("query_pre_attn_scalar", 17, 64)
            d.maybe("final_logit_softcapping", 20.0, None)
            d.maybe("attn_logit_softcapping", 20.0, None) if family == "gemma2" else None
            d.maybe("hidden_act", "relu", p=0.2)
            d.maybe("hidden_activation", "silu", p=0.2)
        else:
            d.maybe("hidden_act", "relu", "gelu", "silu", p=0.3)
        if family not in ("mistral", "ministral", "phi3", "qwen2"):
            d.maybe("attention_bias", True, False)
            d.maybe("attention_bias", None, p=0.02)
    d.maybe("tie_word_embeddings", True, False, p=0.5)
    d.maybe("tie_word_embeddings", None, p=0.02)
    if family in ("phi3", "gpt2") or r.random() < 0.2:
        j.update(pad_token_id=0, eos_token_id=2)
    d.maybe("dtype", "float16", p=0.1)
    d.maybe("torch_dtype", "bfloat16", p=0.1)
    return j


def rotary(model):
    for module in model.modules():
        if type(module).__name__.endswith("RotaryEmbedding"):
            if hasattr(module, "inv_freq"):
                return {"": (module.inv_freq, module.attention_scaling)}
            found = {}
            for kind in ("full_attention", "sliding_attention"):
                if hasattr(module, kind + "_inv_freq"):
                    found[kind] = (getattr(module, kind + "_inv_freq"), getattr(module, kind + "_attention_scaling"))
            return found
    return {}


def windows(model, family):
    found = []
    for name, module in model.named_modules():
        if name.endswith((".self_attn", ".attn", ".attention", ".self_attention")):
            c = module.config if hasattr(module, "config") else model.config
            window = getattr(module, "sliding_window", None)
            kinds = getattr(c, "layer_types", None)
            if family in ("mistral", "phi3") and type(c).__name__ != "MinistralConfig":
                window = c.sliding_window
            elif kinds is not None and family in ("mistral", "ministral", "qwen2", "qwen3", "gemma2", "gemma3_text"):
                window = c.sliding_window if kinds[len(found)] == "sliding_attention" else None
                if kinds[len(found)] == "sliding_attention":
                    assert window is not None
            found.append(window or 0)
    return found


def describe(config):
    try:
        kinds = dict(config)
        c = tf.AutoConfig.for_model(**json.loads(json.dumps(kinds))) if kinds["model_type"] != "mistral" else None
        if c is None:
            # the heuristic for Mistral stands in from_pretrained
            import tempfile, os
            with tempfile.TemporaryDirectory() as where:
                with open(os.path.join(where, "config.json"), "w") as file:
                    json.dump(config, file)
                c = tf.AutoConfig.from_pretrained(where)
        model = tf.AutoModelForCausalLM.from_config(c, attn_implementation="eager", dtype=torch.float32).eval()
        model(torch.tensor([[1, 2, 3, 4]]), use_cache=False)
    except Exception as e:
        return dict(refused=f"{type(e).__name__}: {str(e).strip().splitlines()[0][:80] if str(e).strip() else ''}")
    family = config["model_type"]
    sizes = dict(
        layers=c.num_hidden_layers, heads=c.num_attention_heads, hidden=c.hidden_size,
        tied=bool(c.tie_word_embeddings and model.get_output_embeddings().weight is model.get_input_embeddings().weight),
        parameters=sum(p.numel() for p in model.parameters()),
    )
    for key in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon"):
        if hasattr(c, key):
            sizes["eps"] = getattr(c, key)
    if hasattr(c, "num_key_value_heads"):
        sizes["kv"] = c.num_key_value_heads
    for key, name in (("final_logit_softcapping", "cap"), ("query_pre_attn_scalar", "scalar")):
        if hasattr(c, key):
            sizes[name] = getattr(c, key)
    found = dict(sizes, windows=windows(model, family))
    for kind, (frequencies, amplitude) in rotary(model).items():
        found["rope" + ("_" + kind.split("_")[0] if kind else "")] = [float(f"{x:.7g}") for x in frequencies.tolist()] + [float(f"{amplitude:.7g}")]
    return found


def main(out):
    torch.set_num_threads(1)
    rows, refused = [], 0
    for family in FAMILIES:
        for n in range(ROWS if family not in ("gpt2", "opt", "bloom") else ROWS // 3):
            config = draw(family, family + str(n))
            result = describe(config)
            refused += "refused" in result
            rows.append(json.dumps(dict(config=config, expected=result), separators=(",", ":")))
    with open(out, "w") as file:
        file.write("[\n" + ",\n".join(rows) + "\n]\n")
    print(f"{len(rows)} configurations, {refused} refused by transformers {tf.__version__}")


if __name__ == "__main__":
    main(sys.argv[1])
