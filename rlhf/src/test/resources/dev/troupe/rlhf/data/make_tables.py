"""Tables of records for SourceFilesTest, by pyarrow 26.0.1 (the version used is in the files' created_by).

    python make_tables.py

"""

import datetime
import decimal

import pyarrow as pa
import pyarrow.parquet as pq

CALL = [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]
MESSAGES = pa.schema(
    [
        (
            "messages",
            pa.list_(
                pa.struct(
                    [
                        ("role", pa.string()),
                        ("content", pa.string()),
                        ("tool_calls", pa.list_(pa.struct([("id", pa.string()), ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())]))]))),
                    ]
                )
            ),
        ),
        ("tools", pa.string()),
        ("score", pa.float32()),
        ("id", pa.int64()),
        ("keep", pa.bool_()),
        ("meta", pa.map_(pa.string(), pa.int32())),
    ]
)
dialogues = pa.Table.from_pylist(
    [
        {
            "messages": [
                {"role": "user", "content": "hi", "tool_calls": None},
                {"role": "assistant", "content": None, "tool_calls": CALL},
                {"role": "assistant", "content": "yo 日本", "tool_calls": []},
            ],
            "tools": '[{"type": "function"}]',
            "score": 0.5,
            "id": 1 << 40,
            "keep": True,
            "meta": [("a", 1)],
        },
        {"messages": [{"role": "user", "content": "é", "tool_calls": None}], "tools": None, "score": None, "id": None, "keep": None, "meta": None},
    ],
    schema=MESSAGES,
)
pq.write_table(dialogues, "dialogues.parquet")

rows = pa.table({"prompt": [f"p{i}" for i in range(5)], "completion": ["c"] * 5})
for codec in ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]:
    pq.write_table(rows, f"rows-{codec}.parquet", compression=codec, row_group_size=2, data_page_version="2.0" if codec == "zstd" else "1.0")
pq.write_table(pa.table({"text": pa.array([b"ok", b"\xff"]).cast(pa.binary())}), "binary.parquet")

# What is stored as another number than it is.
margins = pa.table(
    {
        "prompt": ["p"],
        "chosen": ["c"],
        "rejected": ["r"],
        "margin": pa.array([decimal.Decimal("1.50")], pa.decimal128(5, 2)),
        "big": pa.array([2**63 + 1], pa.uint64()),
        "half": pa.array([1.5], pa.float16()),
        "when": [datetime.datetime(2020, 1, 2, 3, 4, 5)],
        "day": [datetime.date(2020, 1, 2)],
    }
)
pq.write_table(margins, "margins.parquet")

# Every page kind that pyarrow writes, several row groups, nested lists of rows and a column of nulls.
pages = pa.table(
    {
        "prompt": pa.array([f"p{i % 7}" for i in range(100)], pa.large_string()),
        "completion": pa.array([f"c é {i}" for i in range(100)], pa.large_string()).dictionary_encode(),
        "tags": [[{"a": [{"b": i}, {"b": None}], "c": None if i % 3 else "x"}] if i % 2 else [] for i in range(100)],
        "none": pa.nulls(100),
    }
)
pq.write_table(pages, "pages.parquet", row_group_size=37, data_page_size=256, data_page_version="2.0")
pq.write_table(
    pages.select(["prompt", "completion"]).cast(pa.schema([("prompt", pa.large_string()), ("completion", pa.large_string())])),
    "deltas.parquet",
    use_dictionary=False,
    column_encoding={"prompt": "DELTA_BYTE_ARRAY", "completion": "DELTA_LENGTH_BYTE_ARRAY"},
)
pq.write_table(rows.slice(0, 0), "empty.parquet")

# A text that a dictionary has once and a hundred rows name.
pq.write_table(pa.table({"text": ["x" * 65536] * 100}), "repeated.parquet")

# A dictionary's text that claims to be longer than the file.
text = b"the only one"
pq.write_table(pa.table({"text": [text.decode()] * 3}), "claim.parquet", compression="none")
file = open("claim.parquet", "rb").read()
entry = len(text).to_bytes(4, "little") + text
assert file.count(entry) == 1
open("claim.parquet", "wb").write(file.replace(entry, (2**31 - 1).to_bytes(4, "little") + text))
