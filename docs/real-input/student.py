"""A Gemma 3 checkpoint with fourteen of its eighteen layers: python student.py FULL STUDENT (safetensors)."""
import json
import re
import shutil
import sys
from safetensors.numpy import load_file, save_file

full, student = sys.argv[1:]
keep = [0, 1, 2, 3, 4, 5, 6, 8, 11, 12, 14, 15, 16, 17]
out = {}
for name, tensor in load_file(f"{full}/model.safetensors").items():
    layer = re.match(r"model\.layers\.(\d+)\.(.*)", name)
    if layer is None:
        out[name] = tensor
    elif int(layer[1]) in keep:
        out[f"model.layers.{keep.index(int(layer[1]))}.{layer[2]}"] = tensor
save_file(out, f"{student}/model.safetensors", metadata={"format": "pt"})
config = json.load(open(f"{full}/config.json"))
config["num_hidden_layers"] = len(keep)
every = config.pop("sliding_window_pattern")  # each layer stays what it was, local or global
config["layer_types"] = ["full_attention" if (i + 1) % every == 0 else "sliding_attention" for i in keep]
json.dump(config, open(f"{student}/config.json", "w"), indent=2)
for name in ("generation_config.json", "tokenizer.json", "tokenizer_config.json"):
    shutil.copy(f"{full}/{name}", student)
