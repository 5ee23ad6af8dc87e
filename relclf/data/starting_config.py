"""Writes the config that a person starts from, out of what a data file holds."""

import json
import math
import os
import re
import textwrap
from dataclasses import astuple, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from relclf.data.inspection import DataSummary, Quantiles, summarise
from relclf.data.lines import STANDARD_INPUT, UTF_8
from relclf.data.options import Reading
from relclf.data.reading import detect_format, read_examples
from relclf.errors import UserMistake
from relclf.relations import printable
from relclf.runs.files import write_text

if TYPE_CHECKING:
    from relclf.config.section import Section

_NEGATIVE_NAMES = {"other", "none", "na", "norelation", "negative", "null", "false", "unrelated"}
_PLAIN = re.compile(r"(\.\./)*[A-Za-z][\w./-]*", re.ASCII)
_YAML_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_MOST_RELATIONS_LISTED = 100
_SENTENCES_TRIED = 200
_WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""Thai, Lao, Burmese, Khmer, Kana and Chinese characters."""
_SHORTEST_LIMIT = 64
_LONGEST_REFUSED = 512
"""tokens; where a sentence is longer than this, the config cuts windows instead of refusing."""


def starting_config(data: Path, folder: Path, reading: Reading | str = "auto") -> str:
    """A commented YAML config for a data file, to be saved in `folder` (paths in it are relative to that).

    What the keys mean and their defaults come from the schema. Raises UserMistake where the file cannot
    be read, or has fewer than two relations to learn.
    """
    if str(data) == STANDARD_INPUT:
        raise UserMistake(
            "a config names its data file, so it cannot be standard input. Save the data first."
        )
    if isinstance(reading, str):
        reading = Reading(reading)
    if reading.format == "auto":
        reading = replace(reading, format=detect_format(data, reading))
    reading = replace(reading, tokenizer=_fitting_tokenizer(data, reading))
    summary = summarise(read_examples(data, reading, offsets=False))
    _refuse_too_few_relations(summary, data)
    held = _what_the_file_holds(summary, data, getattr(reading.format, "name", reading.format))
    return "\n".join([*held, "", *_keys(summary, data, folder, reading), ""])


def write_starting_config(data: Path, config: Path, reading: Reading | str = "auto") -> None:
    """Write the starting config into a new file; UserMistake where one stands there already."""
    if config.exists():
        raise UserMistake(
            f"{config}: exists already and is not overwritten. Remove it, or choose another name."
        )
    if not config.parent.is_dir():
        raise UserMistake(f"{config.parent}: no such folder. Make it first.")
    write_text(config, starting_config(data, config.parent, reading))


def _fitting_tokenizer(data: Path, reading: Reading) -> str:
    """characters-1 where every second letter of the first sentences belongs to a writing without blanks."""
    texts = (
        "".join(example.tokens)
        for example in islice(read_examples(data, reading), _SENTENCES_TRIED)
        if example.text is not None
    )
    letters = [letter for text in texts for letter in text if letter.isalpha()]
    without_blanks = sum(_WITHOUT_BLANKS.match(letter) is not None for letter in letters)
    return "characters-1" if 2 * without_blanks > len(letters) else reading.tokenizer


def _refuse_too_few_relations(summary: DataSummary, data: Path) -> None:
    if not summary.relations:
        raise UserMistake(
            f"{data}: none of its {summary.count:,} sentences has a relation. Training needs them, see docs/formats.md."
        )
    if len(summary.relations) == 1:
        only = next(iter(summary.relations))
        raise UserMistake(
            f"{data}: only one relation, {only!r}. A network needs at least two relations to tell apart."
        )


def _what_the_file_holds(summary: DataSummary, data: Path, format: str) -> list[str]:
    width = max(len(printable(relation)) for relation in summary.relations)
    listed = list(summary.relations.items())[:_MOST_RELATIONS_LISTED]
    relations = [
        f"  {printable(relation):<{width}}  {count:>9,}  {100 * count / summary.count:5.1f} %"
        for relation, count in listed
    ]
    if len(summary.relations) > len(listed):
        relations.append(f"  and {len(summary.relations) - len(listed):,} rarer ones")
    if summary.unlabelled:
        relations.append(
            f"  without a relation: {summary.unlabelled:,}; training refuses them, take them out"
        )
    lines = [
        "A config to start from, written by `relclf init`. Every key and its default: docs/config.md.",
        "",
        f"{printable(data.name)}, format {format}: {summary.count:,} sentences, {len(summary.relations)} relations",
        *relations,
        "",
        f"{'at most this many tokens:':<26}"
        + "".join(f"{share:>7}" for share in ("50 %", "90 %", "95 %", "99 %", "all")),
        _quantiles_row("  sentences", summary.lengths),
        _quantiles_row("  between the mentions", summary.distances),
        f"head before tail in {100 * summary.head_first:.1f} % of the sentences",
    ]
    return [f"# {line}".rstrip() for line in lines]


def _quantiles_row(title: str, quantiles: Quantiles) -> str:
    return f"{title:<26}" + "".join(f"{value:>7,}" for value in astuple(quantiles))


def _keys(summary: DataSummary, data: Path, folder: Path, reading: Reading) -> list[str]:
    """The lines of the YAML itself: values fitted to the file, the schema's defaults, the schema's comments."""
    from relclf.config.schema import DataConfig, ExperimentConfig

    config = ExperimentConfig(data=DataConfig(train=data))
    candidates = [relation for relation in summary.relations if _looks_negative(relation)]
    looks = f" Looks like it: {', '.join(map(printable, candidates))}." if candidates else ""
    max_length, too_long = _length_limit(summary)
    return [
        *_key(config, "seed"),
        "",
        "data:",
        *_key(config.data, "train", _relative(data, folder)),
        *_key(config.data, "dev"),
        *_key(config.data, "test", "FILE", commented=True),
        *_key(config.data, "format", _format_keys(reading.format)),
        *(_key(config.data, "charset", reading.charset) if reading.charset != UTF_8 else ()),
        *_key(config.data, "negative_relation", (candidates or ["NAME"])[0], commented=True, more=looks),
        "",
        "encoding:",
        *(
            _key(config.encoding, "tokenizer", reading.tokenizer)
            if reading.tokenizer != config.encoding.tokenizer
            else ()
        ),
        *_key(config.encoding, "lowercase"),
        *_key(config.encoding, "max_length", max_length),
        *_key(config.encoding, "too_long", too_long),
        *_key(config.encoding, "vectors", "FILE", commented=True),
        "",
        "model:",
        *(
            line
            for name in ("name", "word_dim", "windows", "filters", "dropout")
            for line in _key(config.model, name)
        ),
        "",
        "training:",
        *(
            line
            for name in ("batch_size", "max_epochs", "monitor", "patience")
            for line in _key(config.training, name)
        ),
        "  optimizer:",
        *(f"  {line}" for name in ("name", "lr") for line in _key(config.training.optimizer, name)),
    ]


def _key(
    section: "Section", name: str, value: object = None, *, commented: bool = False, more: str = ""
) -> list[str]:
    """A key under its comment from the schema, with the value given or else the section's own."""
    indent = "" if name == "seed" else "  "
    meaning = type(section).model_fields[name].description or ""
    comment = textwrap.wrap(
        meaning + more, 100, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
    )
    shown = _scalar(getattr(section, name) if value is None else value)
    return [*comment, f"{indent}{'# ' if commented else ''}{name}: {shown}"]


def _format_keys(format: Any) -> object:
    """A format as a config names it: by its name, or by its options that are not the defaults."""
    if isinstance(format, str):
        return format
    given = format.model_dump(mode="json", exclude_defaults=True)
    return {"name": format.name, **given} if isinstance(given, dict) else given


def _scalar(value: object) -> str:
    """A value as YAML writes it on one line; text is quoted where it might be read as something else."""
    if isinstance(value, str):
        quoted = None if _PLAIN.fullmatch(value) and value.lower() not in _YAML_WORDS else '"'
    else:
        value, quoted = json.loads(json.dumps(value)), None
    text: str = yaml.safe_dump(
        value, default_style=quoted, default_flow_style=True, allow_unicode=True, width=math.inf
    )
    return text.removesuffix("\n").removesuffix("\n...")


def _length_limit(summary: DataSummary) -> tuple[int, str]:
    """`max_length` and `too_long`: room for sentences a quarter longer than any here, or windows."""
    longest = summary.lengths.max
    if longest > _LONGEST_REFUSED:
        return max(_LONGEST_REFUSED, _round_up(summary.lengths.p99)), "window"
    return max(_SHORTEST_LIMIT, _round_up(longest * 1.25)), "refuse"


def _round_up(length: float) -> int:
    return 32 * math.ceil(length / 32)


def _looks_negative(relation: str) -> bool:
    return re.sub(r"[\W_]", "", relation).lower() in _NEGATIVE_NAMES


def _relative(data: Path, folder: Path) -> str:
    return Path(os.path.relpath(data.parent.resolve() / data.name, folder.resolve())).as_posix()
