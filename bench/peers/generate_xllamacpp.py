"""llama.cpp through xllamacpp, which brings it built: greedy tokens of random prompts, so many sequences at once, as its server does it."""
import concurrent.futures
import random

import xllamacpp as x
from common import parser, rates, report

p = parser(batch=1, prompt_tokens=64, new_tokens=128)
a = p.parse_args()
params = x.CommonParams()
params.model.path = a.model
params.n_ctx = a.batch * (a.prompt_tokens + a.new_tokens + 8)
params.n_parallel = a.batch
params.n_batch = params.n_ubatch = 512
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = a.threads
params.warmup = False
server = x.Server(params)
rng = random.Random(1)
prompts = [[rng.randrange(10, 10_000) for _ in range(a.prompt_tokens)] for _ in range(a.batch)]


def one(prompt):
    done = server.handle_completions({
        "prompt": prompt, "n_predict": a.new_tokens, "ignore_eos": True, "temperature": 0, "top_k": 1, "cache_prompt": False})
    usage = done.get("usage") or done
    assert usage.get("completion_tokens", usage.get("tokens_predicted")) == a.new_tokens, done
    return done


def work():
    with concurrent.futures.ThreadPoolExecutor(a.batch) as pool:
        list(pool.map(one, prompts))


report("generate", rates(work, a.batch * a.new_tokens, a.rounds), batch=a.batch)
