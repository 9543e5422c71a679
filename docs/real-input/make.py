"""Makes the checkpoint of docs/real-input.md with transformers: grouped-query attention, tied embeddings, bf16, sharded.

Usage: make.py PREFERENCES.jsonl.gz OUT_DIR STEPS
"""
import gzip, json, random, sys

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
torch.manual_seed(0); random.seed(0); torch.set_num_threads(1)
data, out, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
texts = [json.loads(l)["chosen"] for l in gzip.open(data, "rt")] + [json.loads(l)["rejected"] for l in gzip.open(data, "rt")]
t = Tokenizer(models.BPE()); t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False); t.decoder = decoders.ByteLevel()
t.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=4096, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
tok = PreTrainedTokenizerFast(tokenizer_object=t, eos_token="<|endoftext|>", pad_token="<|endoftext|>", bos_token="<|endoftext|>")
cfg = LlamaConfig(vocab_size=4096, hidden_size=256, intermediate_size=688, num_hidden_layers=6, num_attention_heads=8, num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0, pad_token_id=0)
m = LlamaForCausalLM(cfg); print(sum(p.numel() for p in m.parameters()) / 1e6, "M parameters")
ids = []
for x in random.sample(texts, len(texts)): ids += tok(x)["input_ids"] + [0]
ids = torch.tensor(ids); print(len(ids), "tokens")
opt = torch.optim.AdamW(m.parameters(), lr=1e-3, betas=(0.9, 0.95)); m.train()
for s in range(steps):
    i = torch.randint(0, len(ids) - 129, (16,)); b = torch.stack([ids[k:k + 128] for k in i])
    for g in opt.param_groups: g["lr"] = 1e-3 * min(1, (s + 1) / 50)
    loss = m(input_ids=b, labels=b).loss; loss.backward(); torch.nn.utils.clip_grad_norm_(m.parameters(), 1.0); opt.step(); opt.zero_grad()
    if s % 50 == 0: print(s, round(float(loss), 3), flush=True)
m.to(torch.bfloat16).save_pretrained(out, max_shard_size="5MB"); tok.save_pretrained(out)
