"""Twenty steps of QLoRA as peft and bitsandbytes take them on the CPU, in train mode, for QloraParityTest to repeat.

    OMP_NUM_THREADS=1 python make_qlora.py

On a model that is made here, whose rows are whole blocks: bitsandbytes' CPU path is wrong elsewhere. In eval mode it may go through bfloat16, so the model stays in train mode;
there is no dropout. Where scales are held in eight bits, their codes are those of bitsandbytes' table exactly: its own quantiser on the CPU is coarser (make_blocks.py).
"""

import json
import shutil

import bitsandbytes
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import BitsAndBytesConfig, LlamaConfig, LlamaForCausalLM

from make_tuning import LINEARS, RANDOM, TARGET, VOCABULARY, PAD, save_adapter, start, train

CASES = {"qlora-nf4": ("nf4", False), "qlora-nf4-double": ("nf4", True), "qlora-fp4": ("fp4", False)}


def fresh():
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
        initializer_range=0.12, bos_token_id=1, eos_token_id=2, pad_token_id=PAD, attn_implementation="eager")
    torch.manual_seed(23)
    shutil.rmtree(TARGET / "model-blocks", ignore_errors=True)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(TARGET / "model-blocks")


def exactly(state):
    """The codes of scales by the nearest of all 256 numbers."""
    table, inner = state.state2.code, state.state2
    absmax = state.original
    rest = (absmax - state.offset) * (1 / inner.absmax.repeat_interleave(256)[: absmax.numel()])
    state.absmax = torch.bucketize(rest, (table[:-1] + table[1:]) / 2).to(torch.uint8)


def quantised(kind, double):
    model = LlamaForCausalLM.from_pretrained(
        TARGET / "model-blocks", dtype=torch.float32, attn_implementation="eager",
        quantization_config=BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=double, bnb_4bit_compute_dtype=torch.float32))
    plain = LlamaForCausalLM.from_pretrained(TARGET / "model-blocks", dtype=torch.float32)
    found = 0
    for name, module in model.named_modules():
        if isinstance(module, bitsandbytes.nn.Linear4bit):
            found += 1
            state = module.weight.quant_state
            weight = dict(plain.named_modules())[name].weight.detach()
            packed, single = bitsandbytes.functional.quantize_4bit(weight, blocksize=64, quant_type=kind)
            assert torch.equal(packed, module.weight.data)
            if double:
                state.original = single.absmax
                exactly(state)
    assert found == 14, found
    return model


def main():
    fresh()
    for case, (kind, double) in CASES.items():
        start(case)
        model = prepare_model_for_kbit_training(quantised(kind, double), use_gradient_checkpointing=False)
        model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=LINEARS, task_type="CAUSAL_LM"))
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.05 * torch.randn(parameter.shape, generator=RANDOM))
        model.train()
        save_adapter(model, TARGET / case / "initial")
        train(case, model, save_adapter)
    with open(TARGET / "qlora-versions.json", "w") as out:
        json.dump({"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__, "bitsandbytes": bitsandbytes.__version__}, out)


if __name__ == "__main__":
    main()
