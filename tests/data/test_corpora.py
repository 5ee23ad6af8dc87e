"""The real corpora are read whole, but for what is known to be wrong in them."""

from pathlib import Path
from typing import Any

import pytest

from relclf.config.schema import DataConfig
from relclf.data.options import Reading
from relclf.data.reading import load_examples
from relclf.errors import DataError

EUADR = {
    "name": "delimited",
    "text": "SENTENCE",
    "head": ["ENTITY1_INI", "ENTITY1_END"],
    "tail": ["ENTITY2_INI", "ENTITY2_END"],
    "relation": "ASSOCIATION_TYPE",
}
SCIERC = {"name": "marked", "head": ["[[ ", " ]]"], "tail": ["<< ", " >>"], "relation": "label"}
CHEMPROT = {**SCIERC, "head": SCIERC["tail"], "tail": SCIERC["head"]}
RELX = {
    "name": "json",
    "text": "sentence",
    "head": "entity1_indices",
    "tail": "entity2_indices",
    "relation": "relation_name",
}
SANWEN = {
    "name": "delimited",
    "quote": None,
    "columns": ["head", "tail", "relation", "text"],
    "head": "head",
    "tail": "tail",
    "several": "nearest",
}
SEVERAL = "a mention that stands at several places"


@pytest.mark.parametrize(
    ("name", "format", "sentences", "relations", "notes"),
    [
        ("euadr/EUADR_drug_disease.csv", EUADR, 244, 4, []),
        ("euadr/EUADR_drug_target.csv", EUADR, 247, 4, []),
        ("euadr/EUADR_target_disease.csv", EUADR, 355, 4, []),
        ("fewrel_val/val_wiki.json", "auto", 11200, 16, [f"420 sentences have {SEVERAL}"]),
        ("fewrel_val/val_nyt.json", "auto", 2500, 25, []),
        ("fewrel_val/val_pubmed.json", "auto", 1000, 10, []),
        ("scierc_scibert/train.txt", SCIERC, 3219, 7, []),
        ("scierc_scibert/dev.txt", SCIERC, 455, 7, []),
        ("scierc_scibert/test.txt", SCIERC, 974, 7, []),
        ("chemprot_scibert/train.txt", CHEMPROT, 4169, 13, []),
        ("chemprot_scibert/dev.txt", CHEMPROT, 2418, 12, ["9 malformed records passed over"]),
        ("chemprot_scibert/test.txt", CHEMPROT, 3469, 12, []),
        ("semeval_tacred_style/test.json", "auto", 2717, 10, []),
        ("relx/RELX_tr.txt", "auto", 501, 36, ["1 malformed record passed over"]),
        ("relx/RELX_distant_tr.json", RELX, 120, 27, []),
        (
            "sanwen/test.txt",
            SANWEN,
            2084,
            10,
            ["136 malformed records passed over", f"298 sentences have {SEVERAL}"],
        ),
    ],
)
def test_a_corpus_is_read_whole(
    shared_data: Path, name: str, format: Any, sentences: int, relations: int, notes: list[str]
) -> None:
    charset = "latin-1" if "target_disease" in name else "utf-8"
    options = DataConfig.model_validate({"train": Path("t"), "format": format}).format
    loaded = load_examples(shared_data / name, Reading(options, charset, skip_bad=True), offsets=False)
    assert len(loaded.examples) == sentences
    assert len({example.relation for example in loaded.examples}) == relations
    assert [note.split(",")[0] if "passed" in note else note for note in loaded.notes] == notes


def test_euadr_says_what_its_mentions_are(shared_data: Path) -> None:
    types = {"head_type": "ENTITY1_TYPE", "tail_type": "ENTITY2_TYPE"}
    options = DataConfig.model_validate({"train": Path("t"), "format": {**EUADR, **types}}).format
    found = load_examples(shared_data / "euadr" / "EUADR_drug_disease.csv", Reading(options)).examples
    assert {(example.head_type, example.tail_type) for example in found} == {
        ("Diseases & Disorders", "Chemicals & Drugs")
    }


def test_the_latin_1_byte_of_euadr_is_named_with_its_line_and_the_key(shared_data: Path) -> None:
    path = shared_data / "euadr" / "EUADR_target_disease.csv"
    options = DataConfig.model_validate({"train": Path("t"), "format": EUADR}).format
    with pytest.raises(
        DataError, match=r"target_disease\.csv:21: byte 20 .*0xfc.* data\.charset or --charset"
    ):
        load_examples(path, Reading(options))
