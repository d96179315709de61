"""What the client kit is made of is in step with the contract and the transcripts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from kit.collection import files
from kit.descriptors import without_validation
from kit.transcripts import transcripts

DESCRIPTOR_SET = Path(__file__).resolve().parents[2] / "generated" / "loyalty.binpb"
NAMES = [one.name for one in transcripts()]
COLLECTION = files()
MADE = re.compile(
    r"^  (\w+): res\.body\.|bru\.setVar\(\"(\w+)\"|^  (base|till_key|app_key): ", re.MULTILINE
)


def _made(text: str) -> set[str]:
    return {"".join(found) for found in MADE.findall(text)}


@pytest.mark.parametrize("name", NAMES)
def test_collection_has_each_transcript_and_makes_what_it_names(name: str) -> None:
    """The calls of a case run one after the other: each finds what it needs from those before."""
    one = next(one for one in transcripts() if one.name == name)
    calls = [COLLECTION[place] for place in COLLECTION if re.match(rf"{name}/\d+\.bru", place)]
    known = _made(COLLECTION["environments/sandbox.bru"])
    for number, call in enumerate(calls, start=1):
        assert f"  seq: {number}\n" in call
        if "bru.setVar" in call:
            known |= {"new"}
        assert set(re.findall(r"\{\{(\w+)\}\}", call)) <= known
        known |= _made(call)
    last = calls[-1]
    assert f"  name: {one.words}\n" in last
    assert f"\n{one.last.method.lower()} {{\n" in last
    assert f"  res.status: eq {one.status}\n" in last
    assert one.reason in last


def test_collection_has_nothing_else() -> None:
    """Each folder is a transcript."""
    folders = {place.partition("/")[0] for place in COLLECTION if "/" in place}
    assert folders == {*NAMES, "environments"}


def test_plain_descriptors_are_whole_without_rules() -> None:
    """Without the rules of buf.validate all files still load, with the same fields and routes."""
    whole = FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    plain = FileDescriptorSet.FromString(without_validation(DESCRIPTOR_SET.read_bytes()))
    assert b"buf.validate" not in plain.SerializeToString()
    pool = DescriptorPool()
    for file in plain.file:
        pool.Add(file)
    names = {file.name for file in whole.file}
    assert {file.name for file in plain.file} == names - {"buf/validate/validate.proto"}
    assert "google/rpc/error_details.proto" in names
    for file in plain.file:
        before = next(one for one in whole.file if one.name == file.name)
        assert pool.FindFileByName(file.name).name == file.name
        assert [one.name for one in file.message_type] == [one.name for one in before.message_type]
        assert file.service == before.service
