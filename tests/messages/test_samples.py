"""One sample of every version of every fact, as the journal holds it: what was once written is always read the same.

samples.jsonl is append-only: a fact that gets a field gets a second line, the first one stays.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.runtime import Fact
from daemon.desk import KINDS

SAMPLES = [json.loads(line) for line in (Path(__file__).parent / "samples.jsonl").read_text().splitlines()]
TODAY = [sample for sample in SAMPLES if sample["schema"] == KINDS[sample["kind"]].SCHEMA]
encode = msgspec.msgpack.Encoder(order="deterministic").encode


def read(sample: dict[str, Any]) -> Fact:
    """The fact, as the journal reads it."""
    kind, body = KINDS[sample["kind"]], bytes.fromhex(sample["body"])
    if sample["schema"] != kind.SCHEMA:
        return kind.upcast(sample["schema"], body)
    return msgspec.msgpack.decode(body, type=kind)


def named(sample: dict[str, Any]) -> str:
    return f"{sample['kind']}-{sample['schema']}-{len(sample['body']) // 2}"


def begins(now: Any, before: Any) -> bool:
    """Whether a value is as it was, but for fields added at the end of it or of what it holds."""
    if not isinstance(before, list):
        return bool(now == before)
    return len(now) >= len(before) and all(begins(*pair) for pair in zip(now, before, strict=False))


@pytest.mark.parametrize("sample", SAMPLES, ids=named)
def test_what_was_written_is_read_field_by_field(sample: dict[str, Any]) -> None:
    fact = read(sample)
    plain = json.loads(msgspec.json.encode({field: getattr(fact, field) for field in fact.__struct_fields__}))
    assert list(plain)[: len(sample["fields"])] == list(sample["fields"])
    for field, value in sample["fields"].items():
        assert begins(plain[field], value), field


@pytest.mark.parametrize(
    "sample", [each for each in SAMPLES if each["schema"] == KINDS[each["kind"]].SCHEMA], ids=named
)
def test_what_is_written_today_begins_with_what_was_written(sample: dict[str, Any]) -> None:
    body, again = bytes.fromhex(sample["body"]), encode(read(sample))
    assert begins(msgspec.msgpack.decode(again), msgspec.msgpack.decode(body))
    assert len(again) > len(body) or again == body


def test_every_kind_has_a_sample_of_every_schema_and_of_all_its_fields() -> None:
    seen = {(sample["kind"], sample["schema"]) for sample in SAMPLES}
    wanted = {(name, number) for name, kind in KINDS.items() for number in range(1, kind.SCHEMA + 1)}
    assert wanted <= seen, f"samples.jsonl needs a line for {sorted(wanted - seen)}"
    for name, kind in KINDS.items():
        whole = [sample for sample in SAMPLES if sample["kind"] == name and sample["schema"] == kind.SCHEMA]
        written = max(len(msgspec.msgpack.decode(bytes.fromhex(sample["body"]))) for sample in whole)
        assert written == len(kind.__struct_fields__), name


def test_a_kind_refuses_a_schema_that_never_was() -> None:
    for kind in KINDS.values():
        with pytest.raises(ValueError, match="can't read schema 0"):
            kind.upcast(0, b"")
