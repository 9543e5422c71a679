"""transformers + PEFT, fp32: SFT steps with LoRA on every linear layer, the loss on the second half of each text."""
import torch
from common import parser, rates, report
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

a = parser(batch=8, tokens=256).parse_args()
torch.set_num_threads(a.threads)
model = AutoModelForCausalLM.from_pretrained(a.model, dtype=getattr(torch, a.dtype))
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"))
model.train()
torch.manual_seed(1)
ids = torch.randint(10, model.config.vocab_size, (a.batch, a.tokens))
labels = ids.clone()
labels[:, : a.tokens // 2] = -100
trained = [p for p in model.parameters() if p.requires_grad]
adam = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0)


def work():
    model(input_ids=ids, labels=labels, use_cache=False).loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    adam.step()
    adam.zero_grad()


report("train", rates(work, a.batch * a.tokens, a.rounds))
