"""Each data check names its fault, with the evidence, and leaves healthy corpora alone."""

import dataclasses
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from relclf.config.schema import EncodingConfig
from relclf.data.reading import read_examples
from relclf.data.splitting import stratified_split
from relclf.data.tokenization import tokenize
from relclf.diagnosis.catalogue import CHECKS, page
from relclf.diagnosis.data_checks import (
    clipped_share,
    data_findings,
    drift_finding,
    known_words,
    unknown_share,
)
from relclf.diagnosis.findings import Finding
from relclf.errors import DataError
from relclf.example import Example, MentionSpan

QUICKSTART = Path(__file__).resolve().parents[2] / "data" / "quickstart"
NAMES = ("Anna", "Boris", "Clara", "David", "Emma", "Felix", "Greta", "Hanno")
VERBS = {"likes": "friend", "pays": "employer", "sees": "none"}


def example(
    number: int, text: str, head: str, tail: str, relation: str, shift: tuple[int, int] = (0, 0)
) -> Example:
    """The text's example; each span starts and ends that many characters later than the words it names."""
    spans = [(text.index(word) + shift[0], text.index(word) + len(word) + shift[1]) for word in (head, tail)]
    tokens, offsets, head_span, tail_span = tokenize(text, (spans[0], spans[1]))
    return Example(str(number), tokens, head_span, tail_span, relation, f"toy:{number}", offsets)


def toy(
    count: int = 120, seed: int = 1, shift: Callable[[random.Random], tuple[int, int]] = lambda _: (0, 0)
) -> list[Example]:
    """Sentences like "On day 12 Anna likes Boris again", no two the same, the head first."""
    draw = random.Random(seed)
    made = []
    for number in range(count):
        first, second = draw.sample(NAMES, 2)
        verb = draw.choice(list(VERBS))
        text = (
            f"On day {first.lower()} of week {chr(97 + number % 26)}{chr(97 + seed)}{chr(97 + number // 26)} "
        )
        text += f"{first} {verb} {second} again"
        made.append(example(number, text, first, second, VERBS[verb], shift(draw)))
    return made


def findings(
    train: Sequence[Example], dev: Sequence[Example] | None = None, **encoding: object
) -> dict[str, Finding]:
    splits = {"train": train} if dev is None else {"train": train, "dev": dev}
    found = data_findings(splits, EncodingConfig.model_validate(encoding))
    return {finding.check: finding for finding in found}


def severities(found: dict[str, Finding]) -> dict[str, str]:
    return {check: finding.severity for check, finding in found.items() if finding.severity != "ok"}


def swapped(examples: Sequence[Example]) -> list[Example]:
    return [dataclasses.replace(each, head=each.tail, tail=each.head) for each in examples]


def test_healthy_splits_have_every_check_answered_and_in_order() -> None:
    found = findings(toy(seed=1), toy(40, seed=2))
    assert severities(found) == {}
    assert list(found) == [
        "spans-misaligned",
        "mentions-swapped",
        "positions-unused",
        "mentions-truncated",
        "dev-in-train",
        "relation-in-one-split",
        "few-examples",
        "duplicates",
        "unknown-words",
    ]


def test_without_dev_only_what_one_split_shows_is_answered() -> None:
    shown = ["spans-misaligned", "positions-unused", "mentions-truncated", "few-examples", "duplicates"]
    assert list(findings(toy())) == shown


@pytest.mark.parametrize(
    "shift",
    [
        pytest.param(lambda _: (2, 2), id="two characters late"),
        pytest.param(lambda _: (1, -1), id="both ends too far in"),
        pytest.param(lambda draw: (draw.randint(0, 2), -draw.randint(0, 1)), id="at random"),
    ],
)
def test_spans_that_cut_words_are_a_problem(shift: Callable[[random.Random], tuple[int, int]]) -> None:
    found = findings(toy(shift=shift), toy(40, 2, shift))
    assert found["spans-misaligned"].severity == "problem"
    assert "toy:" in found["spans-misaligned"].measured


@pytest.mark.parametrize("shift", [(1, 1), (0, -1)], ids=["all one late", "the end counted inclusively"])
def test_spans_off_by_one_everywhere_are_said_but_no_problem(shift: tuple[int, int]) -> None:
    found = findings(toy(shift=lambda _: shift), toy(40, 2, lambda _: shift))
    assert severities(found) == {"spans-misaligned": "watch"}
    assert "by one character at the same end" in found["spans-misaligned"].measured


def test_spans_off_by_one_in_dev_alone_are_a_problem() -> None:
    found = findings(toy(600), toy(20, 2, lambda _: (1, 1)))
    assert found["spans-misaligned"].severity == "problem"


def test_a_cut_is_shown_with_its_place() -> None:
    one = example(7, "The bookshelf fell on Anna", "book", "Anna", "none")
    found = findings([*toy(), one])["spans-misaligned"]
    assert found.severity == "ok"
    assert "1 of 242 mentions cut a word (0.41 %), first book|shelf in toy:7" in found.measured


def test_scripts_without_blanks_cut_no_words() -> None:
    text = "北京是中国的首都"
    made = [example(number, text, "北京", "中国", "none") for number in range(30)]
    assert findings(made)["spans-misaligned"].severity == "ok"


def test_word_pieces_show_cuts_and_plain_tokens_show_nothing() -> None:
    pieces = ("the", "book", "##shelf", "hit", "anna")
    bad = Example("1", pieces, MentionSpan(1, 2), MentionSpan(4, 5), "none", "t:1")
    good = Example("2", pieces, MentionSpan(1, 3), MentionSpan(4, 5), "none", "t:2")
    assert findings([*[bad] * 5, good])["spans-misaligned"].severity == "problem"
    assert findings([good, good])["spans-misaligned"].severity == "ok"
    plain = [dataclasses.replace(each, offsets=None) for each in toy()]
    assert "spans-misaligned" not in findings(plain)


def test_mentions_swapped_in_dev_are_a_problem_and_a_mere_difference_is_watched() -> None:
    train, dev = toy(), toy(60, 2)
    assert severities(findings(train, swapped(dev))) == {"mentions-swapped": "problem"}
    assert severities(findings(swapped(train), dev)) == {"mentions-swapped": "problem"}
    some = [*swapped(dev[:30]), *dev[30:]]
    assert severities(findings(train, some)) == {"mentions-swapped": "watch"}
    assert severities(findings(swapped(train), swapped(dev))) == {}


def test_a_few_dev_sentences_in_another_order_are_no_evidence() -> None:
    mixed = [*swapped(toy(60)), *toy(120)[60:]]
    assert severities(findings(mixed, toy(8, 2))) == {}


def test_mentions_that_no_window_holds_are_a_problem_and_long_sentences_watched() -> None:
    train = toy()
    assert severities(findings(train, max_length=256)) == {}
    assert severities(findings(train, max_length=8)) == {"mentions-truncated": "watch"}
    assert severities(findings(train, max_length=8, too_long="window")) == {}
    far = Example("x", tuple("abcdefghijkl"), MentionSpan(0, 1), MentionSpan(11, 12), "none", "toy:x")
    found = findings([*train, far], max_length=11, too_long="window")["mentions-truncated"]
    assert (found.severity, "1 lose a mention" in found.measured) == ("problem", True)
    assert found.next_step == "--set encoding.max_length=12"


def test_positions_are_clipped_beyond_the_greatest_distance() -> None:
    one = Example("1", tuple("abcdef"), MentionSpan(0, 1), MentionSpan(4, 6), "r", "t:1")
    assert clipped_share([one], 3) == (2 + 1) / 12
    assert clipped_share([one], 5) == 0


def test_dev_sentences_in_train_are_a_problem_whatever_their_case_and_digits() -> None:
    train = toy()
    shouted = [
        dataclasses.replace(each, tokens=tuple(token.upper() for token in each.tokens)) for each in train
    ]
    assert severities(findings(train, [*toy(40, 2), *train[:10]])) == {"dev-in-train": "problem"}
    found = findings(train, [*toy(40, 2), *shouted[:10]])["dev-in-train"]
    assert found.measured.startswith("10 of 50 dev sentences are in train too (20 %), first toy:0")
    assert "in train too (100 %)" in findings(train, train[:60])["dev-in-train"].measured
    assert findings(train, shouted, lowercase=False)["dev-in-train"].severity == "ok"
    assert findings(train, [*toy(300, 2), *train[:1]])["dev-in-train"].severity == "ok"


def test_a_split_by_row_is_watched() -> None:
    train = toy()
    other_pair = [dataclasses.replace(each, tail=MentionSpan(0, 1)) for each in train[:20]]
    found = findings(train, [*toy(40, 2), *other_pair])["dev-in-train"]
    assert found.severity == "watch"
    assert "20 more with other mentions" in found.measured


def test_relations_that_train_lacks_are_a_problem_where_they_are_many() -> None:
    train, dev = toy(), toy(60, 2)
    misspelt = [
        dataclasses.replace(each, relation="Friend") if each.relation == "friend" else each for each in dev
    ]
    found = findings(train, misspelt)["relation-in-one-split"]
    assert found.severity == "problem"
    assert found.measured.startswith("dev has Friend that train lacks")
    assert found.measured.endswith("dev has none of friend")
    one = [dataclasses.replace(dev[0], relation="new"), *dev[1:]]
    assert severities(findings(train, one)) == {"relation-in-one-split": "watch"}


def test_a_rare_relation_that_dev_lacks_is_nothing_to_say() -> None:
    rare = dataclasses.replace(toy(1, 3)[0], relation="rare")
    assert severities(findings([*toy(), rare], toy(40, 2))) == {"few-examples": "watch"}


def test_a_relation_with_few_sentences_is_watched() -> None:
    train = toy()
    rare = [dataclasses.replace(each, relation="rare") for each in toy(19, 3)]
    found = findings([*train, *rare], toy(40, 2))["few-examples"]
    assert found.severity == "watch"
    assert found.measured.startswith("1 of 4 relations have under 20 sentences in train, ")
    assert "fewest rare with 19" in found.measured


def test_duplicates_with_other_relations_come_first() -> None:
    train = toy(100)
    wrong = [dataclasses.replace(each, relation="odd", source="toy:copy") for each in train[:5]]
    found = findings([*train, *wrong])["duplicates"]
    assert found.severity == "watch"
    expected = "10 of 105 train sentences contradict a duplicate, 5 repeat one, first toy:0 and toy:copy"
    assert found.measured.startswith(expected)
    assert findings([*train, *train[:5]])["duplicates"].severity == "ok"


def test_sentences_that_differ_in_punctuation_alone_are_nearly_the_same() -> None:
    one = example(1, "Anna, likes Boris 3 times.", "Anna", "Boris", "friend")
    two = example(2, "Anna likes Boris 12 times!", "Anna", "Boris", "friend")
    found = findings([*toy(), one, two])["duplicates"]
    assert "0 repeat one; 1 more are nearly the same" in found.measured


def test_a_dev_set_of_other_words_is_a_problem() -> None:
    train, dev = toy(), toy(40, 2)
    foreign = [dataclasses.replace(each, tokens=tuple(f"{token}xx" for token in each.tokens)) for each in dev]
    found = findings(train, foreign)["unknown-words"]
    assert found.severity == "problem"
    assert found.measured.startswith("100.0 % of dev's tokens are unknown words")


def test_words_that_min_count_leaves_out_of_train_itself_are_a_problem() -> None:
    found = findings(toy(), toy(40, 2), min_count=1000)["unknown-words"]
    assert found.severity == "problem"
    assert found.next_step == "--set encoding.min_count=1"


def test_mentions_at_one_place_of_sentences_of_all_lengths_are_watched() -> None:
    fixed = [
        dataclasses.replace(each, tokens=each.tokens + ("so",) * (number % 5), offsets=None)
        for number, each in enumerate(toy())
    ]
    assert findings(fixed)["positions-unused"].severity == "watch"


def test_words_of_the_vectors_file_are_known() -> None:
    train, dev = toy(), toy(40, 2)
    encoding = EncodingConfig()
    foreign = [dataclasses.replace(each, tokens=("zzz",) * len(each.tokens)) for each in dev]
    assert unknown_share(foreign, known_words(train, encoding)) == 1
    assert unknown_share(foreign, known_words(train, encoding, ["zzz"])) == 0
    found = data_findings({"train": train, "dev": foreign}, encoding, ["zzz"])
    assert next(each for each in found if each.check == "unknown-words").severity == "ok"


def test_a_shift_between_train_and_dev_is_watched_only_where_it_is_certain() -> None:
    assert drift_finding((0.95, 0.01)).severity == "watch"
    assert drift_finding((0.95, 0.1)).severity == "ok"
    assert drift_finding((0.5, 0.01)).severity == "ok"


@pytest.mark.parametrize("check", list(findings(toy(), toy(40, 2))))
def test_each_check_has_a_page_that_begins_with_its_question(check: str) -> None:
    assert page(check).startswith(f"# {check}\n\n{CHECKS[check]}\n\n## What it measures\n")


def read(path: Path) -> list[Example]:
    return list(read_examples(path))


def test_quickstart_has_nothing_to_say() -> None:
    assert severities(findings(read(QUICKSTART / "train.jsonl"), read(QUICKSTART / "dev.jsonl"))) == {}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_semeval_has_one_rare_relation_to_say(shared_data: Path, seed: int) -> None:
    train, dev = stratified_split(read(shared_data / "semeval2010" / "TRAIN_FILE.TXT"), 0.1, seed)
    found = findings(train, dev)
    assert severities(found) == {"few-examples": "watch"}
    assert "fewest Entity-Destination(e2,e1) with 1" in found["few-examples"].measured


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "tr"])
def test_relx_is_only_small(shared_data: Path, language: str) -> None:
    items = read_examples(shared_data / "relx" / f"RELX_{language}.txt", keep_bad=True)
    train, dev = stratified_split([item for item in items if not isinstance(item, DataError)], 0.1, 1)
    assert set(severities(findings(train, dev)).items()) <= {("few-examples", "watch")}
