"""Makes golden/byte_pieces.json: what `tokenizers` and transformers make of texts with golden/tokenizers/llama2 and mistral as they are, and
where added_tokens has the pieces of bytes, special or not. See README.md beside this file."""

import json
import os

import tokenizers
import transformers
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "resources", "golden")
TEXTS = [
    "gr\u00fc\u00dfe \U0001f600\U0001f469\u200d\U0001f4bb \u0928\u092e\u0938\u094d\u0924\u0947", "\U0001d573", "a<0x0A>b", "<0xF0><0x9F><0x98><0x80>",
    "two\n\nlines\t\u0000", "x <0xff> <0xFF> y <s><0x41></s>", "<0x4", "the robot's garden",
]


def marked(state, special):
    state = json.loads(json.dumps(state))
    for byte in range(256):
        content = f"<0x{byte:02X}>"
        state["added_tokens"].append({"id": state["model"]["vocab"][content], "content": content, "single_word": False, "lstrip": False,
                                      "rstrip": False, "normalized": False, "special": special})
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), clean_up_tokenization_spaces=False)


def case(plain, special, added, text):
    plain._tokenizer.encode_special_tokens = True
    user = plain._tokenizer.encode(text, add_special_tokens=False)
    special._tokenizer.encode_special_tokens = True
    assert special._tokenizer.encode(text, add_special_tokens=False).ids == user.ids
    special._tokenizer.encode_special_tokens = False
    return {
        "text": text,
        "encode": user.ids,
        "offsets": [n for span in user.offsets for n in span],
        "decoded": plain.decode(user.ids, skip_special_tokens=True),
        # what transformers leaves of the same ids where the pieces are special
        "skipped": special.decode(user.ids, skip_special_tokens=True),
        "marked": special(text)["input_ids"],
        "spelled": special.decode(special(text)["input_ids"], skip_special_tokens=False),
        "added": added(text)["input_ids"],
    }


result = {}
for kind in ("llama2", "mistral"):
    with open(os.path.join(GOLDEN, "tokenizers", kind, "tokenizer.json"), encoding="utf-8") as file:
        state = json.load(file)
    plain = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(state)), clean_up_tokenization_spaces=False)
    result[kind] = [case(plain, marked(state, True), marked(state, False), text) for text in TEXTS]
with open(os.path.join(GOLDEN, "byte_pieces.json"), "w", encoding="utf-8") as out:
    json.dump(result, out, separators=(",", ":"))
    out.write("\n")
print(tokenizers.__version__, transformers.__version__)
