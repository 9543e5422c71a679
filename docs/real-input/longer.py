"""600 worked problems of GSM8K that gsm8k.py leaves out for their length: python longer.py gsm8k-train.jsonl.gz

Writes longer.jsonl. Needs nothing but Python."""

import gzip
import json
import re
import sys

rows = []
for line in gzip.open(sys.argv[1], "rt", encoding="utf8"):
    row = json.loads(line)
    solution = re.sub(r"<<.*?>>", "", row["answer"])
    short = len(row["question"]) <= 220 and len(solution) <= 150
    if not short and len(row["question"]) <= 260 and len(solution) <= 220:
        rows.append({"prompt": f"Question: {row['question']}\nAnswer:", "completion": " " + solution})
with open("longer.jsonl", "w", encoding="utf8") as file:
    file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:600])
