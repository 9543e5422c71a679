"""One PPO iteration on transformers + PEFT as TRL's PPOTrainer does it: the policy's adapter switched off is the reference; critic and reward
model are models of their own. Prints seconds per iteration and the phases' shares."""
import time

import torch
from common import parser, report
from peft import LoraConfig, get_peft_model
from transformers import AutoModel, AutoModelForCausalLM

a = parser(prompts=64, prompt_tokens=64, new_tokens=64, micro_batch=8).parse_args()
torch.set_num_threads(a.threads)
torch.manual_seed(1)


def lora(model, kind):
    return get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type=kind))


class Scalar(torch.nn.Module):
    def __init__(self, trained):
        super().__init__()
        body = AutoModel.from_pretrained(a.model, dtype=getattr(torch, a.dtype))
        self.body = lora(body, "FEATURE_EXTRACTION") if trained else body.requires_grad_(False)
        self.head = torch.nn.Linear(body.config.hidden_size, 1, bias=False)

    def forward(self, ids):
        return self.head(self.body(input_ids=ids, use_cache=False).last_hidden_state).squeeze(-1)


policy = lora(AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype)), "CAUSAL_LM")
critic, reward = Scalar(True), Scalar(False)
P, N = a.prompt_tokens, a.new_tokens
adams = [torch.optim.AdamW([p for p in m.parameters() if p.requires_grad], lr=1e-5) for m in (policy, critic)]


def logprobs(logits, ids):
    return torch.stack([x.log_softmax(-1).gather(1, i.unsqueeze(1)).squeeze(1) for x, i in zip(logits, ids)])


def read(ids):
    return logprobs(policy(input_ids=ids, use_cache=False, logits_to_keep=N + 1).logits[:, :-1], ids[:, P:])


def iteration():
    phases = {}
    start = time.perf_counter()

    def lap(name):
        nonlocal start
        now = time.perf_counter()
        phases[name] = now - start
        start = now

    prompts = torch.randint(10, policy.config.vocab_size, (a.prompts, P))
    with torch.no_grad():
        policy.eval()
        out = policy.generate(input_ids=prompts, attention_mask=torch.ones_like(prompts), max_new_tokens=N, min_new_tokens=N, do_sample=True,
                              temperature=1.0, top_k=0, top_p=None, pad_token_id=0, return_dict_in_generate=True, output_logits=True,
                              disable_compile=True)
        ids = out.sequences
        old = logprobs(torch.stack(out.logits, 1), ids[:, P:])
        lap("generate")
        ref, values, scores = [], [], []
        for x in ids.split(a.micro_batch):
            with policy.disable_adapter():
                ref.append(read(x))
            values.append(critic(x)[:, P - 1:-1])
            scores.append(reward(x)[:, -1])
        ref, values, scores = map(torch.cat, (ref, values, scores))
        rewards = -0.05 * (old - ref)
        rewards[:, -1] += scores
        advantages, last = torch.zeros_like(rewards), torch.zeros(a.prompts)
        for t in reversed(range(N)):
            after = values[:, t + 1] if t + 1 < N else torch.zeros(a.prompts)
            last = rewards[:, t] + after - values[:, t] + 0.95 * last
            advantages[:, t] = last
        returns = advantages + values
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        lap("score")
    policy.train()
    for rows in torch.arange(a.prompts).split(a.micro_batch):
        share = len(rows) / a.prompts
        ratio = (read(ids[rows]) - old[rows]).exp()
        adv = advantages[rows]
        (share * torch.max(-adv * ratio, -adv * ratio.clamp(0.8, 1.2)).mean()).backward()
        v = critic(ids[rows])[:, P - 1:-1]
        clipped = values[rows] + (v - values[rows]).clamp(-0.2, 0.2)
        (share * 0.5 * torch.max((v - returns[rows]) ** 2, (clipped - returns[rows]) ** 2).mean()).backward()
    for adam in adams:
        torch.nn.utils.clip_grad_norm_(adam.param_groups[0]["params"], 1.0)
        adam.step()
        adam.zero_grad()
    lap("train")
    return phases


iteration()
all_phases = [iteration() for _ in range(a.rounds)]
seconds = [sum(p.values()) for p in all_phases]
mean = {k: sum(p[k] for p in all_phases) / a.rounds for k in all_phases[0]}
report("ppo", seconds, unit="s", phases=mean)
