"""Short problems of GSM8K for docs/real-input/gsm8k.conf: python gsm8k.py gsm8k-train.jsonl.gz

Writes worked.jsonl (400 problems with their solution, without the calculator's marks) and problems.jsonl (1,103 others
with the number alone). Needs nothing but Python."""

import gzip
import json
import re
import sys

worked, problems = [], []
for line in gzip.open(sys.argv[1], "rt", encoding="utf8"):
    row = json.loads(line)
    solution = re.sub(r"<<.*?>>", "", row["answer"])
    if len(row["question"]) > 220 or len(solution) > 150:
        continue
    prompt = f"Question: {row['question']}\nAnswer:"
    if len(worked) < 400:
        worked.append({"prompt": prompt, "completion": " " + solution})
    else:
        problems.append({"prompt": prompt, "answer": solution.split("#### ")[1]})
for name, rows in (("worked.jsonl", worked), ("problems.jsonl", problems)):
    with open(name, "w", encoding="utf8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
