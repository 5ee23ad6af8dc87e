"""Loading configs: every mistake at its place, overrides, paths, and the way back to YAML."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from relclf.config.draft import PATH_KEYS
from relclf.config.keys import SectionKeys, config_keys
from relclf.config.loading import changed_keys, config_from_mapping, dump_config, load_config
from relclf.config.schema import ExperimentConfig
from relclf.config.yaml_source import parse_yaml
from relclf.errors import UserMistake

SMALLEST = "data:\n  train: train.txt\n"
OPTIMIZERS = list(config_keys().keys["training"].section.keys["optimizer"].variants)
PARTICULAR = ("backtracking", "schedule_free")
"""Optimisers that go with the constant schedule only, the first within bounds of its rate."""
SCHEDULES = list(config_keys().keys["training"].section.keys["schedule"].variants)


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return tmp_path / "c.yaml"


def load(path: Path, text: str, *overrides: str) -> ExperimentConfig:
    path.write_text(text, encoding="utf-8")
    return load_config(path, overrides)


def mistakes(path: Path, text: str, *overrides: str) -> list[str]:
    """The lines of the error, the file called c.yaml."""
    with pytest.raises(UserMistake) as caught:
        load(path, text, *overrides)
    assert caught.value.exit_code == 2
    return str(caught.value).replace(str(path), "c.yaml").splitlines()


def test_the_smallest_config_has_every_default(config_file: Path) -> None:
    config = load(config_file, SMALLEST)
    assert config == ExperimentConfig.model_validate({"data": {"train": config_file.parent / "train.txt"}})


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(config_file: Path) -> None:
    text = """\
data:
  train: 3
  dev: 0
seed: true
model:
  windows: [0, true]
  windws: 3
training:
  update_every: epo
  optimzer: {name: adam}
  schedule: {name: lineer}
  clip_norm: no
  device: gpu
  lr: 3
  optimizer:
    name: sgd
    betas: [1, 2]
    lr: .nan
    lrr: 1
encoding: {lowercase: yes, min_count: 1.5}
seed: 3
"""
    assert mistakes(config_file, text) == [
        "c.yaml:2:3: data.train: must be a path (got 3)",
        "c.yaml:3:3: data.dev: must be a number above 0 and below 1, or a path (got 0)",
        "c.yaml:4:1: seed: must be a whole number of at least 0 (got true)",
        "c.yaml:6:3: model.windows: must be a list of one or more, each a whole number of at least 1 "
        "(got [0, true])",
        "c.yaml:7:3: model.windws: unknown key; did you mean `windows`?",
        "c.yaml:9:3: training.update_every: must be `batch`, `epoch`, `epoch_mean` or a whole number of at "
        "least 1 (got 'epo'); did you mean `epoch`?",
        "c.yaml:10:3: training.optimzer: unknown key; did you mean `optimizer`?",
        "c.yaml:11:14: training.schedule.name: must be `constant`, `linear`, `cosine`, `exponential` or "
        "`plateau` (got 'lineer'); did you mean `linear`?",
        "c.yaml:12:3: training.clip_norm: must be a number above 0 or null (got 'no')",
        "c.yaml:13:3: training.device: must be `auto`, `cpu`, `cuda`, `cuda:1` or `mps` (got 'gpu'); did you "
        "mean `cpu`?",
        "c.yaml:14:3: training.lr: unknown key here; did you mean `training.optimizer.lr`?",
        "c.yaml:17:5: training.optimizer.betas: no key of `sgd`. It has: name, lr, momentum, nesterov, "
        "weight_decay.",
        "c.yaml:18:5: training.optimizer.lr: must be a number above 0 (got nan)",
        "c.yaml:19:5: training.optimizer.lrr: unknown key; did you mean `lr`?",
        "c.yaml:20:12: encoding.lowercase: must be true or false (got 'yes'); did you mean `true`?",
        "c.yaml:20:28: encoding.min_count: must be a whole number of at least 1 (got 1.5)",
        "c.yaml:21:1: seed: written twice (first at c.yaml:4:1). Keep one.",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed: 1\n", "c.yaml:1:1: data: missing. It has no default; add it."),
        ("data:\n  dev: 0.1\n", "c.yaml:1:1: data.train: missing. It has no default; add it."),
        ("data: {trian: x}\n", "c.yaml:1:8: data.trian: unknown key; did you mean `train`?"),
        ("date: {train: x}\n", "c.yaml:1:1: date: unknown key; did you mean `data`?"),
        ("data:\n", "c.yaml:1:1: data: must be a mapping of keys to values (got null)."),
        ("just words\n", "c.yaml:1:1: must be a mapping of keys to values (got 'just words')."),
        ("- a\n", "c.yaml:1:1: must be a mapping of keys to values (got ['a'])."),
        ("data: {train: ''}\n", "c.yaml:1:8: data.train: must be a path (got '')"),
        ('data: {train: "a\\0b"}\n', "c.yaml:1:8: data.train: must be a path (got 'a\\x00b')"),
        (
            SMALLEST + "zzz: 1\n",
            "c.yaml:3:1: zzz: unknown key. Known here: seed, data, encoding, model, training, scoring.",
        ),
        (
            SMALLEST + "training:\n  optimizer: adamw\n",
            "c.yaml:4:3: training.optimizer: must be a mapping (got 'adamw'); did you mean `{name: adamw}`?",
        ),
        (
            SMALLEST + "training:\n  optimizer: {betas: [0.9, 1]}\n",
            "c.yaml:4:15: training.optimizer.betas: must be a list of 2, each a number of at least 0 and below 1 "
            "(got [0.9, 1])",
        ),
        (
            SMALLEST + "training:\n  optimizer: {name: [sgd]}\n",
            "c.yaml:4:15: training.optimizer.name: must be `adam`, `adamw`, `nadam`, `radam`, `adamax`, "
            "`rmsprop`, `adagrad`, `adadelta`, `sgd`, `backtracking`, `prodigy` or `schedule_free` (got ['sgd'])",
        ),
        (
            SMALLEST + "training:\n  optimizer: {name: sgd, nesterov: true}\n",
            "c.yaml:4:3: training.optimizer: nesterov needs a momentum above 0.",
        ),
        (
            SMALLEST + "training: {min_epochs: 9, max_epochs: 3}\n",
            "c.yaml:3:1: training: min_epochs (9) is above max_epochs (3).",
        ),
        (
            SMALLEST + "encoding: {freeze_vectors: true}\n",
            "c.yaml:3:1: encoding: freeze_vectors needs vectors.",
        ),
        (
            SMALLEST + "encoding: {missing_vectors: ngrams}\n",
            "c.yaml:3:1: encoding: missing_vectors: ngrams needs vectors, which lack some words.",
        ),
        (
            SMALLEST + "training: {imbalance: {class_weights: inverse, focal_gamma: 2}}\n",
            "c.yaml:3:12: training.imbalance: class_weights and focal_gamma together correct the same imbalance "
            "twice; choose one.",
        ),
        (
            "data: {train: x, all_data: true}\ntraining: {schedule: {name: plateau}}\n",
            "c.yaml:1:1: data.all_data leaves no dev score for the plateau schedule to watch.",
        ),
        (
            SMALLEST + "training: {optimizer: {lr: *rate}}\n",
            "c.yaml:3:28: training.optimizer.lr: an alias (*rate). Write the value itself.",
        ),
    ],
)
def test_a_mistake_is_one_line(config_file: Path, text: str, line: str) -> None:
    assert mistakes(config_file, text) == [line]


@pytest.mark.parametrize(
    "key",
    [
        "seed",
        "model.dropout",
        "training.optimizer.lr",
        "training.patience",
        "training.update_every",
        "data.dev",
        "model.word_std",
    ],
)
def test_true_is_no_number(config_file: Path, key: str) -> None:
    (line,) = mistakes(config_file, SMALLEST, f"{key}=true")
    assert line.startswith(f"--set {key}=true: {key}: must be ")
    assert line.endswith("(got true)")


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.optimizer.lr=1e-2", 0.01),
        ("training.optimizer.lr=1", 1.0),
        ("model.windows=[2, 3]", (2, 3)),
        ("training.patience=null", None),
        ("training.update_every=4", 4),
        ("training.update_every=epoch", "epoch"),
        ("data.dev=0.25", 0.25),
        ("data.negative_relation='no'", "no"),
        ("data.negative_relation=no", "no"),
        ("data.negative_relation=a=b", "a=b"),
        ("encoding.lowercase=false", False),
        ("training.schedule={name: cosine, final_share: 0.1}", "cosine"),
    ],
)
def test_an_override_is_read_like_the_file(config_file: Path, override: str, value: Any) -> None:
    config: Any = load(config_file, SMALLEST, override)
    for part in override.split("=")[0].split("."):
        config = getattr(config, part)
    assert getattr(config, "name", config) == value


def test_a_new_optimizer_name_keeps_the_keys_that_fit(config_file: Path) -> None:
    text = SMALLEST + "training:\n  optimizer:\n    name: adam\n    lr: 0.5\n"
    optimizer = load(config_file, text, "training.optimizer.name=sgd").training.optimizer
    assert (optimizer.name, optimizer.lr) == ("sgd", 0.5)


def test_a_new_optimizer_name_refuses_the_keys_that_do_not_fit(config_file: Path) -> None:
    text = SMALLEST + "training:\n  optimizer:\n    name: nadam\n    momentum_decay: 0.1\n"
    assert mistakes(config_file, text, "training.optimizer.name=sgd") == [
        "c.yaml:6:5: training.optimizer.momentum_decay: no key of `sgd`, which --set "
        "training.optimizer.name=sgd chose. Remove it, or replace the whole section: "
        "--set 'training.optimizer={name: sgd}'."
    ]
    replaced = load(config_file, text, "training.optimizer={name: sgd}").training.optimizer
    assert replaced.name == "sgd"


def test_the_last_of_two_overrides_wins(config_file: Path) -> None:
    assert load(config_file, SMALLEST, "seed=2", "seed=3").seed == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.optimizer.lrr=1", "training.optimizer.lrr: unknown key; did you mean `lr`?"),
        ("trainng.seed=1", "trainng: unknown key; did you mean `training`?"),
        ("seed=x", "seed: must be a whole number of at least 0 (got 'x')"),
        ("seed", "must be KEY=VALUE, such as training.optimizer.lr=0.01."),
        ("=1", "must be KEY=VALUE, such as training.optimizer.lr=0.01."),
        ("training..lr=1", "must be KEY=VALUE, such as training.optimizer.lr=0.01."),
        ("seed=", "seed: no value. Write null to leave it empty."),
        ("seed=[1", "seed: a list without its `]`. Close it, and put `,` between items."),
        ("seed=*x", "seed: an alias (*x). Write the value itself."),
        ("seed={a: 1, a: 2}", "seed.a: written twice (first at --set seed={a: 1, a: 2}). Keep one."),
        ("data.train.x=1", "data.train: holds 'train.txt', so it cannot have the key x."),
    ],
)
def test_a_mistaken_override_is_named(config_file: Path, override: str, message: str) -> None:
    assert mistakes(config_file, SMALLEST, override)[0] == f"--set {override}: {message}"


def test_mistakes_of_file_and_overrides_come_together(config_file: Path) -> None:
    lines = mistakes(config_file, SMALLEST + "seed: x\n", "training.patience=0", "model.dropout=1")
    assert [line.partition(": ")[0] for line in lines] == [
        "c.yaml:3:1",
        "--set training.patience=0",
        "--set model.dropout=1",
    ]


def test_paths_are_relative_to_the_file_and_those_of_overrides_to_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    text = "data: {train: ../d/train.txt, dev: dev.txt}\nencoding: {vectors: /v.txt}\n"
    config = load(Path("../configs/c.yaml"), text, "data.test=t.txt")
    assert config.data.train == tmp_path / "d" / "train.txt"
    assert config.data.dev == tmp_path / "configs" / "dev.txt"
    assert config.data.test == tmp_path / "here" / "t.txt"
    assert config.encoding.vectors == (Path("/v.txt"),)


@pytest.mark.parametrize(
    ("written", "paths"),
    [
        ("v.txt", ["v.txt"]),
        ("{transformer: model}", ["model"]),
        ("[v.txt, {transformer: ../model}]", ["v.txt", "../model"]),
    ],
)
def test_word_vectors_are_one_source_or_several(tmp_path: Path, written: str, paths: list[str]) -> None:
    config = load(tmp_path / "c.yaml", SMALLEST + f"encoding: {{vectors: {written}}}\n")
    assert config.encoding.vectors == tuple((tmp_path / path).resolve() for path in paths)
    copy = load(tmp_path / "copy.yaml", dump_config(config, tmp_path))
    assert copy == config


@pytest.mark.parametrize("written", ["[]", "3", "{transformers: model}", "[{transformer: 3}]", "''"])
def test_what_is_no_source_of_word_vectors_is_refused(tmp_path: Path, written: str) -> None:
    with pytest.raises(
        UserMistake, match=r"encoding\.vectors: must be a path, `\{transformer: a path\}`, a list"
    ):
        load(tmp_path / "c.yaml", SMALLEST + f"encoding: {{vectors: {written}}}\n")


def test_a_path_through_a_symbolic_link_keeps_the_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    config = load(tmp_path / "link" / "c.yaml", SMALLEST)
    assert config.data.train == tmp_path / "link" / "train.txt"


def test_every_key_that_holds_a_path_is_listed() -> None:
    def paths(section: SectionKeys, above: tuple[str, ...]) -> list[tuple[str, ...]]:
        inner = [
            found
            for key in section.keys.values()
            if key.section
            for found in paths(key.section, (*above, key.name))
        ]
        return inner + [(*above, key.name) for key in section.keys.values() if "a path" in key.allowed]

    assert sorted(paths(config_keys(), ())) == sorted(PATH_KEYS)


def test_a_mapping_is_checked_like_a_file(tmp_path: Path) -> None:
    mapping = {"data": {"train": Path("t.txt"), "dev": "d.txt"}, "model": {"windows": (2, 3)}}
    config = config_from_mapping(mapping, tmp_path, ["seed=5"])
    assert config.data.train == tmp_path / "t.txt"
    assert config.data.dev == tmp_path / "d.txt"
    assert (config.model.windows, config.seed) == ((2, 3), 5)
    assert config_from_mapping(config.model_dump(), tmp_path / "elsewhere") == config


def test_the_given_mapping_is_left_as_it_was(tmp_path: Path) -> None:
    mapping = {"data": {"train": "t.txt"}}
    config_from_mapping(mapping, tmp_path, ["training.optimizer.lr=1", "data.dev=0.2"])
    assert mapping == {"data": {"train": "t.txt"}}


def test_mistakes_in_a_mapping_are_named_by_their_keys(tmp_path: Path) -> None:
    with pytest.raises(UserMistake) as caught:
        config_from_mapping({"data": {"train": "t"}, "seed": "1", "model": {2: 3, "droput": 0}}, tmp_path)
    assert str(caught.value).splitlines() == [
        "config: model: a key must be text (got 2).",
        "config: seed: must be a whole number of at least 0 (got '1')",
        "config: model.droput: unknown key; did you mean `dropout`?",
    ]


def test_a_mapping_that_holds_itself_is_refused(tmp_path: Path) -> None:
    mapping: dict[str, Any] = {}
    mapping["data"] = mapping
    with pytest.raises(UserMistake, match="more than 50 mappings and lists inside each other"):
        config_from_mapping(mapping, tmp_path)


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [
        (optimizer, schedule)
        for optimizer in OPTIMIZERS
        for schedule in (["constant"] if optimizer in PARTICULAR else SCHEDULES)
    ],
)
def test_every_optimizer_and_schedule_survives_the_way_to_yaml_and_back(
    tmp_path: Path, optimizer: str, schedule: str
) -> None:
    chosen = [f"training.optimizer.name={optimizer}", f"training.schedule.name={schedule}"]
    config = config_from_mapping({"data": {"train": "t"}}, tmp_path, chosen)
    (tmp_path / "dumped.yaml").write_text(dump_config(config, tmp_path))
    read = load_config(tmp_path / "dumped.yaml")
    assert read == config
    assert (read.training.optimizer.name, read.training.schedule.name) == (optimizer, schedule)


positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
any_name = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@settings(deadline=None, max_examples=50)
@given(
    lr=positive,
    name=st.sampled_from([name for name in OPTIMIZERS if name not in PARTICULAR]),
    schedule=st.sampled_from(SCHEDULES),
    relation=any_name,
    file_name=any_name.filter(lambda name: name.strip() and name not in (".", "..")),
    windows=st.lists(st.integers(1, 2**63 - 1), min_size=1),
)
def test_a_dumped_config_read_back_is_equal(
    tmp_path_factory: pytest.TempPathFactory,
    lr: float,
    name: str,
    schedule: str,
    relation: str,
    file_name: str,
    windows: list[int],
) -> None:
    folder = tmp_path_factory.getbasetemp()
    mapping = {
        "data": {"train": "data/" + file_name, "dev": file_name, "negative_relation": relation},
        "model": {"windows": windows},
        "training": {"optimizer": {"name": name, "lr": lr}, "schedule": {"name": schedule}},
    }
    config = config_from_mapping(mapping, folder / "a" / "b")
    path = folder / "dumped.yaml"
    path.write_text(dump_config(config, folder), encoding="utf-8", newline="")
    assert load_config(path) == config


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.from_regex(r"[-+.0-9exo_:a-fA-F~]{0,6}"))
def test_dumped_text_stays_text(text: str) -> None:
    config = config_from_mapping({"data": {"train": "t", "negative_relation": text}}, Path("/"))
    read = parse_yaml(dump_config(config, Path("/")), "c").values
    assert read["data"]["negative_relation"] == text


def test_a_dump_is_complete_in_the_order_of_the_schema_and_relative(tmp_path: Path) -> None:
    config = config_from_mapping({"data": {"train": "corpus/t.txt"}}, tmp_path)
    text = dump_config(config, tmp_path / "runs" / "one")
    assert list(yaml.safe_load(text)) == list(ExperimentConfig.model_fields)
    assert text.startswith("seed: 1\ndata:\n  train: ../../corpus/t.txt\n  dev: 0.1\n  test: null\n")
    assert "  windows: [3]\n" in text
    assert "    betas: [0.9, 0.999]\n    eps: 1.0e-08\n" in text
    assert os.fspath(tmp_path) not in text


def test_changed_keys_are_the_keys_that_differ() -> None:
    first = config_from_mapping({"data": {"train": "t"}}, Path("/"))
    second = config_from_mapping(
        {"data": {"train": "t"}}, Path("/"), ["seed=2", "training.optimizer.name=sgd"]
    )
    assert changed_keys(first, first) == []
    assert changed_keys(first, second) == [
        "seed",
        "training.optimizer.name",
        "training.optimizer.lr",
        "training.optimizer.betas",
        "training.optimizer.eps",
        "training.optimizer.amsgrad",
        "training.optimizer.rows",
        "training.optimizer.momentum",
        "training.optimizer.nesterov",
    ]


words = st.sampled_from(
    ["data", "train", "training", "optimizer", "name", "adam", "sgd", "lr", "betas", "model", "x"]
)
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.integers(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(mapping=st.dictionaries(words, anything, max_size=5))
def test_any_mapping_is_either_a_config_or_a_mistake_told_in_words(mapping: dict[str, Any]) -> None:
    try:
        config = config_from_mapping(mapping, Path("/"))
    except UserMistake as mistake:
        assert all(line.startswith(("config: ", "and ")) for line in str(mistake).splitlines())
    else:
        assert config.data.train.is_absolute()


@settings(deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])) | st.text("ab:- \n\t[]{},&*!|>'\"#?%@0~<"))
def test_any_text_is_either_read_or_a_mistake_told_in_words(text: str) -> None:
    try:
        document = parse_yaml(text, "c.yaml")
    except UserMistake as mistake:
        assert str(mistake).startswith("c.yaml:")
    else:
        assert () in document.places
