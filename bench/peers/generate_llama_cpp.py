"""llama.cpp through llama-cpp-python: greedy or sampled tokens of random prompts, one sequence at a time or a batch of sequences.

--model is a GGUF file, for example by `troupe export --format gguf --dtype q8_0`."""
import ctypes

import llama_cpp as c
import numpy as np
from common import parser, rates, report

a = parser(batch=1, prompt_tokens=64, new_tokens=128, plain_buffers=0).parse_args()
c.llama_backend_init()
mp = c.llama_model_default_params()
if a.plain_buffers:
    mp.use_extra_bufts = False
model = c.llama_model_load_from_file(a.model.encode(), mp)
vocab = c.llama_n_vocab(c.llama_model_get_vocab(model)) if hasattr(c, "llama_n_vocab") else c.llama_vocab_n_tokens(c.llama_model_get_vocab(model))
cp = c.llama_context_default_params()
cp.n_ctx = a.batch * (a.prompt_tokens + a.new_tokens)
cp.n_batch = cp.n_ubatch = max(512, a.batch * a.prompt_tokens)
cp.n_seq_max = a.batch
cp.n_threads = cp.n_threads_batch = a.threads
context = c.llama_init_from_model(model, cp)
rng = np.random.default_rng(1)
prompts = rng.integers(10, vocab, (a.batch, a.prompt_tokens))
batch = c.llama_batch_init(a.batch * a.prompt_tokens, 0, a.batch)


def put(i, token, position, row, wanted):
    batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = int(token), position, 1, row, wanted


def best(i):
    row = np.ctypeslib.as_array(c.llama_get_logits_ith(context, i), (vocab,))
    return int(row.argmax())


def work():
    c.llama_memory_clear(c.llama_get_memory(context), True)
    n = 0
    for r in range(a.batch):
        for t in range(a.prompt_tokens):
            put(n, prompts[r, t], t, r, t == a.prompt_tokens - 1)
            n += 1
    batch.n_tokens = n
    assert c.llama_decode(context, batch) == 0
    last = [best((r + 1) * a.prompt_tokens - 1) for r in range(a.batch)]
    for t in range(a.new_tokens - 1):
        for r in range(a.batch):
            put(r, last[r], a.prompt_tokens + t, r, True)
        batch.n_tokens = a.batch
        assert c.llama_decode(context, batch) == 0
        last = [best(r) for r in range(a.batch)]


report("generate", rates(work, a.batch * a.new_tokens, a.rounds))
