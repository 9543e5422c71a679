# Tiny sequence classifiers of one label (and one of two), and the scores that transformers gives three texts; versions in expected.json.
# python make_classifiers.py ../resources/golden/classifiers
import json, sys, torch, transformers, os
from transformers import LlamaConfig, LlamaForSequenceClassification, Qwen2Config, Qwen2ForSequenceClassification, GPT2Config, GPT2ForSequenceClassification
out=sys.argv[1]; os.makedirs(out,exist_ok=True)
torch.manual_seed(7)
common=dict(vocab_size=64,hidden_size=16,intermediate_size=24,num_hidden_layers=2,num_attention_heads=4,num_key_value_heads=2,max_position_embeddings=32,num_labels=1,pad_token_id=0,bos_token_id=1,eos_token_id=2)
models={
 "llama":LlamaForSequenceClassification(LlamaConfig(**common)),
 "qwen2":Qwen2ForSequenceClassification(Qwen2Config(**common)),
 "gpt2":GPT2ForSequenceClassification(GPT2Config(vocab_size=64,n_embd=16,n_layer=2,n_head=4,n_positions=32,num_labels=1,pad_token_id=0,bos_token_id=1,eos_token_id=2)),
 "two-labels":LlamaForSequenceClassification(LlamaConfig(**{**common,"num_labels":2})),
}
texts=[[1,5,9,33,12,2],[1,40,41,42,2],[7,7,8]]
want={"transformers":transformers.__version__,"torch":torch.__version__.split("+")[0],"tokens":texts,"scores":{}}
for n,m in models.items():
    m=m.float().eval()
    for p in m.parameters():
        torch.nn.init.normal_(p,std=0.3) if p.dim()>1 else None
    m.save_pretrained(f"{out}/{n}")
    if n!="two-labels":
        with torch.no_grad():
            want["scores"][n]=[m(input_ids=torch.tensor([t])).logits[0,0].item() for t in texts]
# A reward model as PEFT leaves it: an adapter with its score, on a plain language model.
import peft
from transformers import LlamaForCausalLM, AutoModelForSequenceClassification
from peft import LoraConfig, get_peft_model
lm = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in common.items() if k != "num_labels"})).float().eval()
for p in lm.parameters():
    torch.nn.init.normal_(p, std=0.3) if p.dim() > 1 else None
lm.save_pretrained(f"{out}/lm")
base = AutoModelForSequenceClassification.from_pretrained(f"{out}/lm", num_labels=1)
adapted = get_peft_model(base, LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"])).float().eval()
for n, p in adapted.named_parameters():
    if "lora_" in n or "score" in n:
        torch.nn.init.normal_(p, std=0.3)
adapted.save_pretrained(f"{out}/peft")
with torch.no_grad():
    want["scores"]["peft"] = [adapted(input_ids=torch.tensor([t])).logits[0, 0].item() for t in texts]
want["peft"] = peft.__version__
json.dump(want,open(f"{out}/expected.json","w"),indent=1)
