"""Every case as a config: what differs from a healthy one, in settings or data, and the check that should say so."""

import codecs
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.faults.corpora import Parts, Row

Edit = Callable[[Parts, random.Random], Parts]
"""What is done to the data."""


@dataclass(frozen=True)
class ConfigCase:
    """A config to diagnose, or one whose run is."""

    name: str
    corpus: str
    settings: tuple[str, ...]
    """Overrides, as --set takes them."""
    expected: tuple[str, ...] = ()
    """Names of checks, any of which names the fault; none in a healthy config."""
    edit: Edit | None = None
    vectors: str | None = None
    """ "random" or "wiki": the vectors file of the config."""
    trained: bool = False
    """Whether it is trained first, and the run diagnosed."""
    by_watch: bool = False
    """Whether a watch is all that the check ever says, as of a training that could have gone on."""


def fault(
    name: str,
    corpus: str,
    expected: str,
    *settings: str,
    edit: Edit | None = None,
    vectors: str | None = None,
    trained: bool = False,
    by_watch: bool = False,
) -> ConfigCase:
    """A case in which a check must find the problem."""
    return ConfigCase(name, corpus, settings, tuple(expected.split()), edit, vectors, trained, by_watch)


def healthy(
    name: str,
    corpus: str,
    *settings: str,
    edit: Edit | None = None,
    vectors: str | None = None,
    trained: bool = False,
) -> ConfigCase:
    """A case in which no check may find a problem."""
    return ConfigCase(name, corpus, settings, (), edit, vectors, trained)


def _on_train(change: Callable[[list[Row], random.Random], list[Row]]) -> Edit:
    return lambda parts, chance: Parts(change(parts.train, chance), parts.dev)


def _on_dev(change: Callable[[list[Row], random.Random], list[Row]]) -> Edit:
    return lambda parts, chance: Parts(parts.train, change(parts.dev, chance))


def _relations_shuffled(rows: list[Row], chance: random.Random) -> list[Row]:
    relations = [row["relation"] for row in rows]
    chance.shuffle(relations)
    return [{**row, "relation": relation} for row, relation in zip(rows, relations, strict=True)]


def _lines_slipped(rows: list[Row], chance: random.Random) -> list[Row]:
    """The relations' file lacks its first line: each sentence has the relation of the next."""
    chance.shuffle(rows)
    return [{**row, "relation": after["relation"]} for row, after in pairwise(rows)]


def _mentions_swapped(rows: list[Row], chance: random.Random) -> list[Row]:
    return [{**row, "head": row["tail"], "tail": row["head"]} for row in rows]


def _relations_renamed(renamed: Callable[[list[str]], dict[str, str]]) -> Edit:
    """New names for the relations of dev; they are handed over the commonest first."""

    def change(parts: Parts, chance: random.Random) -> Parts:
        commonest = [name for name, _ in Counter(row["relation"] for row in parts.train).most_common()]
        names = renamed(commonest)
        return Parts(
            parts.train,
            [{**row, "relation": names.get(row["relation"], row["relation"])} for row in parts.dev],
        )

    return change


def _shifted(names: list[str]) -> dict[str, str]:
    by_name = sorted(names)
    return dict(zip(by_name, [*by_name[1:], by_name[0]], strict=True))


def _shorter(row: Row, key: str, letters: int) -> Row:
    """A mention that begins or, with negative letters, ends so many letters too late or too early."""
    start, end = row[key]
    if end - start <= 2 * abs(letters):
        return row
    return {**row, key: [start + max(0, letters), end + min(0, letters)]}


def _some_spans_cut(rows: list[Row], chance: random.Random) -> list[Row]:
    """Three mentions in ten begin or end within a word."""
    for key in ("head", "tail"):
        rows = [
            _shorter(row, key, chance.choice((-2, -1, 1, 2))) if chance.random() < 0.3 else row
            for row in rows
        ]
    return rows


def _all_spans_off_by_one(rows: list[Row], chance: random.Random) -> list[Row]:
    return [_shorter(_shorter(row, "head", 1), "tail", 1) for row in rows]


def _counted_in_bytes(rows: list[Row], chance: random.Random) -> list[Row]:
    """A sign of two bytes stands in front of each sentence, and spans are counted in bytes."""
    return [
        {
            **row,
            "text": "„" + row["text"],
            "head": [n + 3 for n in row["head"]],
            "tail": [n + 3 for n in row["tail"]],
        }
        if max(row["head"][1], row["tail"][1]) + 3 <= len(row["text"])
        else row
        for row in rows
    ]


def _at_the_ends(rows: list[Row], chance: random.Random) -> list[Row]:
    """The mentions' places are lost: the head is the first word, the tail the last, of every sentence."""
    changed = []
    for row in rows:
        words = row["text"].split()
        text = " ".join(words)
        head, tail = [0, len(words[0])], [len(text) - len(words[-1]), len(text)]
        if len(words) > 1:
            changed.append({**row, "text": text, "head": head, "tail": tail})
    return changed


def _dev_in_train(share: float) -> Edit:
    def change(parts: Parts, chance: random.Random) -> Parts:
        return Parts([*parts.train, *chance.sample(parts.dev, round(share * len(parts.dev)))], parts.dev)

    return change


def _split_after_copying(parts: Parts, chance: random.Random) -> Parts:
    """Every sentence twice, to have more of them, and then split."""
    rows = [*parts.train, *parts.dev] * 2
    chance.shuffle(rows)
    return Parts(rows[2 * len(parts.dev) :], rows[: 2 * len(parts.dev)])


def _another_alphabet(rows: list[Row], chance: random.Random) -> list[Row]:
    """Dev was read in the wrong encoding: other letters, as many of them."""
    return [{**row, "text": codecs.encode(row["text"], "rot13")} for row in rows]


def _capitals(rows: list[Row], chance: random.Random) -> list[Row]:
    return [
        {**row, "text": "".join(c.upper() if len(c.upper()) == 1 else c for c in row["text"])} for row in rows
    ]


def _balanced(parts: Parts, chance: random.Random) -> Parts:
    """As many sentences of each relation as the rarest has."""
    least = min(Counter(row["relation"] for row in parts.train).values())
    kept: Counter[str] = Counter()
    train = []
    for row in chance.sample(parts.train, len(parts.train)):
        kept[row["relation"]] += 1
        if kept[row["relation"]] <= least:
            train.append(row)
    return Parts(train, parts.dev)


def _a_share(share: float) -> Edit:
    return _on_train(lambda rows, chance: chance.sample(rows, round(share * len(rows))))


def _sgd(rate: float, *more: str) -> tuple[str, ...]:
    return ("training.optimizer.name=sgd", f"training.optimizer.lr={rate:g}", *more)


def _optimizer(name: str, rate: float, *more: str) -> tuple[str, ...]:
    return (f"training.optimizer.name={name}", f"training.optimizer.lr={rate:g}", *more)


_FROZEN = ("encoding.freeze_vectors=true",)
_SMALL = "learning-rate-too-small"
_LARGE = "learning-rate-too-large not-finite"

FAULTS = [
    # ---- updates -------------------------------------------------------------------------------------------------
    fault("one update an epoch", "quickstart", "updates-per-epoch", "training.update_every=epoch"),
    fault("one update an epoch", "semeval2010", "updates-per-epoch", "training.update_every=epoch"),
    fault("one update an epoch", "euadr", "updates-per-epoch", "training.update_every=epoch"),
    fault(
        "one update an epoch, after its training",
        "quickstart",
        "updates-per-epoch",
        "training.update_every=epoch",
        "training.max_epochs=40",
        trained=True,
    ),
    # ---- the size of steps ---------------------------------------------------------------------------------------
    fault("Adam's rate 100 times too small", "quickstart", _SMALL, *_optimizer("adam", 1e-5)),
    fault("Adam's rate 100 times too small", "scierc", _SMALL, *_optimizer("adam", 1e-5)),
    fault("SGD's rate 100 times too small", "quickstart", _SMALL, *_sgd(0.001)),
    fault("Adagrad's rate 100 times too small", "semeval2010", _SMALL, *_optimizer("adagrad", 5e-4)),
    fault("RMSProp's rate 100 times too small", "euadr", _SMALL, *_optimizer("rmsprop", 1e-5)),
    fault("Adam's eps as large as 1", "quickstart", _SMALL, "training.optimizer.eps=1"),
    fault(
        "Adam's rate 100 times too small, after its training",
        "quickstart",
        _SMALL,
        *_optimizer("adam", 1e-5, "training.max_epochs=10"),
        trained=True,
    ),
    fault(
        "a schedule that has gone after two epochs",
        "quickstart",
        _SMALL,
        "training.schedule.name=exponential",
        "training.schedule.gamma=0.05",
    ),
    fault(
        "a warm-up of more updates than there are",
        "euadr",
        _SMALL,
        "training.schedule.warmup_updates=100000",
        "training.max_epochs=20",
    ),
    fault("Adam's rate 100 times too large", "quickstart", _LARGE, *_optimizer("adam", 0.1)),
    fault("AdamW's rate 100 times too large", "semeval2010", _LARGE, *_optimizer("adamw", 0.1)),
    fault("SGD's rate 100 times too large", "quickstart", _LARGE, *_sgd(10)),
    fault("Adagrad's rate 100 times too large", "scierc", _LARGE, *_optimizer("adagrad", 5)),
    fault("RMSProp's rate 100 times too large", "euadr", _LARGE, *_optimizer("rmsprop", 0.1)),
    fault("momentum 0.99 at a rate of 0.5", "quickstart", _LARGE, *_sgd(0.5, "training.optimizer.momentum=0.99")),
    fault(
        "SGD's rate 100 times too large, after its training",
        "quickstart",
        _LARGE,
        *_sgd(10, "training.max_epochs=10"),
        trained=True,
    ),
    fault(
        "weight decay 0.1 with SGD at 0.1",
        "quickstart",
        "weight-decay-dominates",
        *_sgd(0.1, "training.optimizer.weight_decay=0.1"),
    ),
    fault(
        "an L2 penalty of 0.3 with Adam", "euadr", "weight-decay-dominates", *_optimizer("adam", 0.001),
        "training.optimizer.weight_decay=0.3",
    ),
    fault(
        "weight decay 30 with AdamW", "quickstart", "weight-decay-dominates", *_optimizer("adamw", 0.001),
        "training.optimizer.weight_decay=30",
    ),
    fault(
        "an L2 penalty of 0.1, after its training", "euadr", "weight-decay-dominates",
        "training.optimizer.weight_decay=0.1", "training.max_epochs=12", trained=True,
    ),
    fault("clipped at 1e-3 with SGD", "quickstart", "clipping-always", *_sgd(0.1, "training.clip_norm=0.001")),
    fault(
        "clipped at 1e-3 with Adam, after its training", "quickstart", "clipping-always",
        "training.clip_norm=0.001", "training.max_epochs=10", trained=True,
    ),
    # ---- capacity and wiring ---------------------------------------------------------------------------------------
    fault("two filters", "quickstart", "too-simple", "model.filters=2"),
    fault("two filters with ReLU", "quickstart", "too-simple", "model.filters=2", "model.activation=relu"),
    fault(
        "two filters with ReLU, no dropout",
        "quickstart",
        "too-simple",
        "model.filters=2",
        "model.activation=relu",
        "model.dropout=0",
    ),
    fault("four filters, half of them dropped", "quickstart", "too-simple", "model.filters=4"),
    fault("two filters", "semeval2010", "too-simple", "model.filters=2"),
    fault("two filters", "euadr", "too-simple", "model.filters=2"),
    fault("dropout 0.95 of 40 filters", "quickstart", "dropout-too-high", "model.dropout=0.95", "model.filters=40"),
    fault("dropout 0.95", "semeval2010", "dropout-too-high", "model.dropout=0.95"),
    fault("dropout 0.98", "euadr", "dropout-too-high", "model.dropout=0.98"),
    fault("random word vectors that stay", "quickstart", "embeddings-frozen", *_FROZEN, vectors="random"),
    fault("random word vectors that stay", "semeval2010", "embeddings-frozen", *_FROZEN, vectors="random"),
    fault("no positions", "quickstart", "positions-unused", "model.position_dim=0"),
    fault("no positions", "semeval2010", "positions-unused", "model.position_dim=0"),
    fault("word vectors of a spread of 30", "quickstart", "loss-at-init dead-filters", "model.word_std=30"),
    fault("every word unknown", "quickstart", "unknown-words", "encoding.min_count=100000"),
    fault("most words unknown", "scierc", "unknown-words", "encoding.min_count=300"),
    fault(
        "loss adjusted for the shares of relations 30 times", "quickstart", "majority-collapse",
        "training.imbalance.logit_adjustment=30", "training.max_epochs=10", trained=True,
    ),
    # ---- data ----------------------------------------------------------------------------------------------------
    fault("relations of train shuffled", "quickstart", "uninformative-input", edit=_on_train(_relations_shuffled)),
    fault("relations of train shuffled", "semeval2010", "uninformative-input", edit=_on_train(_relations_shuffled)),
    fault("relations a line off", "scierc", "uninformative-input", edit=_on_train(_lines_slipped)),
    fault("relations of dev shuffled", "quickstart", "uninformative-input", edit=_on_dev(_relations_shuffled)),
    fault("mentions swapped in dev", "quickstart", "mentions-swapped", edit=_on_dev(_mentions_swapped)),
    fault("mentions swapped in dev", "semeval2010", "mentions-swapped", edit=_on_dev(_mentions_swapped)),
    fault("mentions swapped in dev", "scierc", "mentions-swapped", edit=_on_dev(_mentions_swapped)),
    fault("spans cut words", "quickstart", "spans-misaligned", edit=_on_train(_some_spans_cut)),
    fault("spans cut words", "euadr", "spans-misaligned", edit=_on_train(_some_spans_cut)),
    fault("spans counted in bytes", "semeval2010", "spans-misaligned", edit=_on_train(_counted_in_bytes)),
    fault("every head first, every tail last", "scierc", "positions-unused", edit=lambda p, c: Parts(
        _at_the_ends(p.train, c), _at_the_ends(p.dev, c)), by_watch=True),
    fault("sentences cut to ten tokens", "semeval2010", "mentions-truncated refused", "encoding.max_length=10",
          "encoding.too_long=window"),
    fault("sentences cut to twelve tokens", "euadr", "mentions-truncated refused", "encoding.max_length=12",
          "encoding.too_long=window"),
    fault("three tenths of dev in train", "quickstart", "dev-in-train", edit=_dev_in_train(0.3)),
    fault("all of dev in train", "semeval2010", "dev-in-train", edit=_dev_in_train(1.0)),
    fault("copied, then split", "euadr", "dev-in-train", edit=_split_after_copying),
    fault("relation ids shifted in dev", "quickstart", "relation-ids-mismatch", edit=_relations_renamed(_shifted)),
    fault("relation ids shifted in dev", "semeval2010", "relation-ids-mismatch", edit=_relations_renamed(_shifted)),
    fault("relation ids shifted in dev", "scierc", "relation-ids-mismatch", edit=_relations_renamed(_shifted)),
    fault(
        "two relations exchanged in dev, after its training", "quickstart", "relation-ids-mismatch",
        "training.max_epochs=12",
        edit=_relations_renamed(lambda names: {names[0]: names[1], names[1]: names[0]}), trained=True,
    ),
    fault(
        "relations of dev spelled otherwise", "quickstart", "relation-in-one-split relation-ids-mismatch",
        edit=_relations_renamed(lambda names: {name: name.upper() for name in names[1:]}),
    ),
    fault("dev in another encoding", "semeval2010", "unknown-words", edit=_on_dev(_another_alphabet)),
    fault("dev in capitals", "quickstart", "unknown-words", "encoding.lowercase=false", edit=_on_dev(_capitals)),
    # ---- when to stop ----------------------------------------------------------------------------------------------
    fault(
        "best at the end of max_epochs", "quickstart", "train-longer", "training.max_epochs=6", trained=True,
        by_watch=True,
    ),
    fault(
        "patience 1", "scierc", "patience-too-short", "training.patience=1", "training.smooth=1", by_watch=True
    ),
    fault(
        "few sentences learned by heart", "euadr", "overfitting", "model.dropout=0", "training.max_epochs=100",
        "training.patience=null", trained=True, by_watch=True,
    ),
]  # fmt: skip

CONTROLS = [
    healthy("as it is", "quickstart"),
    healthy("as it is", "semeval2010"),
    healthy("as it is", "euadr"),
    healthy("as it is", "scierc"),
    healthy("SGD 0.1", "quickstart", *_sgd(0.1)),
    healthy("SGD 0.1", "semeval2010", *_sgd(0.1, "training.max_epochs=50")),
    healthy("SGD 0.01, 2,000 epochs", "quickstart", *_sgd(0.01, "training.max_epochs=2000")),
    healthy("SGD 0.01, momentum 0.9", "semeval2010", *_sgd(0.01, "training.optimizer.momentum=0.9"),
            "training.max_epochs=50"),
    healthy("Adagrad 0.1", "quickstart", *_optimizer("adagrad", 0.1)),
    healthy("AdamW, its default decay", "scierc", *_optimizer("adamw", 0.001)),
    healthy("RAdam", "quickstart", *_optimizer("radam", 0.001)),
    healthy("Adadelta", "semeval2010", *_optimizer("adadelta", 1.0), "training.max_epochs=50"),
    healthy("warm-up over 500 updates, then linear", "quickstart", "training.schedule.name=linear",
            "training.schedule.warmup_updates=500"),
    healthy("a rate that halves each five epochs", "scierc", "training.schedule.name=exponential",
            "training.schedule.gamma=0.87"),
    healthy("800 filters of four widths", "quickstart", "model.filters=200", "model.windows=[2,3,4,5]"),
    healthy("20 filters, word vectors of 20", "quickstart", "model.filters=20", "model.word_dim=20"),
    healthy("ReLU", "semeval2010", "model.activation=relu"),
    healthy("no dropout", "scierc", "model.dropout=0"),
    healthy("dropout 0.8", "quickstart", "model.dropout=0.8"),
    healthy("dropout 0.82", "quickstart", "model.dropout=0.82"),
    healthy("dropout 0.82 in a short training", "semeval2010", "model.dropout=0.82"),
    healthy("30 filters for 19 relations", "semeval2010", "model.filters=30"),
    healthy("a small L2 penalty", "quickstart", "training.optimizer.weight_decay=0.0001"),
    healthy("clipped at 5", "semeval2010", "training.clip_norm=5"),
    healthy("four batches an update", "semeval2010", "training.update_every=4"),
    healthy("batches of 10", "scierc", "training.batch_size=10"),
    healthy("batches of 200", "quickstart", "training.batch_size=200"),
    healthy("balanced data", "quickstart", edit=_balanced),
    healthy("inverse class weights", "quickstart", "training.imbalance.class_weights=inverse"),
    healthy("weighted sampling", "euadr", "training.imbalance.class_weights=none",
            "training.imbalance.weighted_sampling=true"),
    healthy("focal loss", "semeval2010", "training.imbalance.focal_gamma=2"),
    healthy("vectors frozen on purpose", "semeval2010", *_FROZEN, vectors="wiki"),
    healthy("vectors frozen on purpose", "scierc", *_FROZEN, vectors="wiki"),
    healthy("vectors that learn", "semeval2010", vectors="wiki"),
    healthy("spans off by one everywhere", "quickstart", edit=lambda p, c: Parts(
        _all_spans_off_by_one(p.train, c), _all_spans_off_by_one(p.dev, c))),
    healthy("a third of the sentences", "scierc", edit=_a_share(1 / 3)),
    healthy("slow-learner-fixed", "quickstart", "training.max_epochs=300", "training.patience=null"),
    healthy("as it is, after its training", "quickstart", trained=True),
    healthy("as it is, after its training", "semeval2010", trained=True),
    healthy("as it is, after its training", "euadr", trained=True),
    healthy("as it is, after its training", "scierc", trained=True),
    healthy("SGD 0.1, after its training", "quickstart", *_sgd(0.1), trained=True),
    healthy("Adagrad 0.1, clipped at 1, after its training", "scierc", *_optimizer("adagrad", 0.1),
            "training.clip_norm=1", trained=True),
]  # fmt: skip
