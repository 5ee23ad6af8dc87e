"""Train and dev are what the config says, and what cannot be learned from is refused with its place."""

import json
from collections import Counter

import pytest

from relclf.errors import DataError, UserMistake
from relclf.training.corpus import read_corpus, with_hashes
from tests.tiny import COUNTS, tiny_config, write_tiny_corpus


def records_of(folder):
    path = folder / "train.jsonl"
    if not path.exists():
        write_tiny_corpus(folder)
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_a_share_of_train_becomes_dev_in_proportion(tmp_path):
    corpus = read_corpus(tiny_config(tmp_path))
    assert (len(corpus.train), len(corpus.dev)) == (48, 12)
    dev = Counter(example.relation for example in corpus.dev)
    assert all(abs(dev[name] - 0.2 * count) < 1 for name, count in COUNTS.items())
    ids = [example.id for example in (*corpus.train, *corpus.dev)]
    assert sorted(ids) == sorted(record["id"] for record in records_of(tmp_path))
    assert corpus.relations.names == ("cause", "contains", "none")
    assert corpus.relations.negative == "none"
    assert corpus.notes == ()


def test_the_dev_share_depends_on_split_seed_and_not_on_seed(tmp_path):
    def dev(**overrides):
        return [example.id for example in read_corpus(tiny_config(tmp_path, **overrides)).dev]

    assert dev() == dev(seed=99)
    assert dev() != dev(data__split_seed=2)


def test_a_dev_file_is_dev_and_train_stays_whole(tmp_path):
    dev = written(tmp_path / "dev.jsonl", records_of(tmp_path)[:7])
    corpus = read_corpus(tiny_config(tmp_path, data__dev=str(dev)))
    assert (len(corpus.train), len(corpus.dev)) == (60, 7)


def test_all_data_trains_on_everything(tmp_path):
    assert len(read_corpus(tiny_config(tmp_path, data__all_data=True)).train) == 60
    dev = written(tmp_path / "dev.jsonl", records_of(tmp_path)[:7])
    corpus = read_corpus(tiny_config(tmp_path, data__dev=str(dev), data__all_data=True))
    assert len(corpus.train) == 67
    assert corpus.dev is None


def test_masks_by_type_are_refused_with_the_first_sentence_that_lacks_one_and_how_many_do(tmp_path):
    records = [{**record, "head_type": "A", "tail_type": "B"} for record in records_of(tmp_path)]
    path = written(tmp_path / "typed.jsonl", records)
    config = tiny_config(tmp_path, data__train=str(path), encoding__mask_mentions="types")
    words = {token for example in read_corpus(config).train for token in example.tokens}
    assert {"[HEAD-A]", "[TAIL-B]"} <= words and "storm" not in words
    for number in (2, 7):
        del records[number]["tail_type"]
    written(path, records)
    with pytest.raises(DataError) as caught:
        read_corpus(config)
    assert str(caught.value).startswith(f"{path}:3: the tail has no type")
    assert str(caught.value).endswith("So it is in 2 of 60 sentences.")


def test_a_relation_of_dev_that_train_lacks_is_noted(tmp_path):
    records = records_of(tmp_path)[:6]
    dev = written(
        tmp_path / "dev.jsonl", [*records, *({**record, "relation": "treats"} for record in records[:2])]
    )
    corpus = read_corpus(tiny_config(tmp_path, data__dev=str(dev)))
    assert corpus.notes == (
        "dev: 2 sentences have the relation 'treats', which train lacks; it counts as wrong",
    )
    assert "treats" not in corpus.relations.names


def test_a_test_file_that_is_missing_is_noted(tmp_path):
    config = tiny_config(tmp_path, data__test="later.jsonl")
    (note,) = read_corpus(config).notes
    assert note.startswith(f"test: there is no file {tmp_path / 'later.jsonl'} yet")
    write_tiny_corpus(tmp_path).rename(tmp_path / "later.jsonl")
    write_tiny_corpus(tmp_path)
    assert read_corpus(config).notes == ()


def test_a_dev_set_of_one_relation_is_noted(tmp_path):
    dev = written(tmp_path / "dev.jsonl", [r for r in records_of(tmp_path) if r["relation"] == "cause"])
    corpus = read_corpus(tiny_config(tmp_path, data__dev=str(dev)))
    assert corpus.notes == ("dev: only the relation 'cause'; its scores say nothing of the others",)


def test_cut_sentences_are_counted_and_said(tmp_path):
    long = [r for r in records_of(tmp_path) if len(r["tokens"]) > 7]
    config = tiny_config(tmp_path, encoding__max_length=7, encoding__too_long="window")
    corpus = read_corpus(config)
    assert len(long) > 0
    assert max(len(example.tokens) for example in corpus.train + corpus.dev) == 7
    assert corpus.notes == (
        f"train: {len(long)} sentences cut to 7 tokens around their mentions (too_long: window)",
    )


def test_a_long_sentence_is_refused_by_default(tmp_path):
    with pytest.raises(UserMistake, match=r"train\.jsonl:\d+: a sentence of \d tokens"):
        read_corpus(tiny_config(tmp_path, encoding__max_length=7))


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_sentence_without_a_relation_is_refused_by_file_and_line(tmp_path, split):
    records = records_of(tmp_path)
    dev = written(tmp_path / "dev.jsonl", records[:9])
    del records[2]["relation"]
    written(tmp_path / f"{split}.jsonl", records)
    with pytest.raises(UserMistake, match=rf"{split}\.jsonl:3: no relation\."):
        read_corpus(tiny_config(tmp_path, data__dev=str(dev)))


@pytest.mark.parametrize("split", ["train", "dev"])
def test_an_empty_file_is_refused(tmp_path, split):
    records = records_of(tmp_path)
    dev = written(tmp_path / "dev.jsonl", records[:9])
    (tmp_path / f"{split}.jsonl").write_text("")
    with pytest.raises(UserMistake, match=rf"{split}\.jsonl: no sentences"):
        read_corpus(tiny_config(tmp_path, data__dev=str(dev)))


def test_train_with_one_relation_is_refused(tmp_path):
    records = [record for record in records_of(tmp_path) if record["relation"] == "cause"]
    written(tmp_path / "train.jsonl", records)
    with pytest.raises(UserMistake, match=r"train\.jsonl: only the relation 'cause'\."):
        read_corpus(tiny_config(tmp_path))


def test_a_negative_relation_that_train_lacks_is_refused_with_those_it_has(tmp_path):
    with pytest.raises(UserMistake) as caught:
        read_corpus(tiny_config(tmp_path, data__negative_relation="None"))
    assert str(caught.value).startswith("data.negative_relation: 'None' is not a relation of ")
    assert str(caught.value).endswith("It has cause, contains, none.")


def test_the_hashes_of_the_files_are_found_and_a_changed_file_is_refused(tmp_path):
    dev = written(tmp_path / "dev.jsonl", records_of(tmp_path)[:7])
    config = with_hashes(tiny_config(tmp_path, data__dev=str(dev)))
    hashes = config.data.sha256
    assert len(hashes.train) == len(hashes.dev) == 64
    assert (hashes.test, hashes.vectors) == (None, None)
    assert with_hashes(config) == config
    written(dev, records_of(tmp_path)[:8])
    with pytest.raises(UserMistake, match=r"dev\.jsonl: changed since the run was made"):
        with_hashes(config)
