"""How the sentences of a data file are to be read."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from relclf.data.charsets import extends_ascii
from relclf.data.lines import UTF_8
from relclf.data.tokenization import TOKENIZER, TOKENIZERS
from relclf.errors import DataError, UserMistake

if TYPE_CHECKING:
    from relclf.config.schema import ExperimentConfig

SENTENCE = "sentence"
"""As `group_by`: examples of the same words belong together, whatever the format."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How the sentences of a data file are to be read: the part of a config that the readers need."""

    format: Any = "auto"
    """A name, or a format of relclf.config.formats with its options."""
    charset: str = UTF_8
    tokenizer: str = TOKENIZER
    group_by: str | None = None
    skip_bad: bool = False
    """Whether who reads all of a file passes over malformed records, and counts them."""
    offsets: bool = True
    """Whether examples keep their text and the places of their tokens in it; without, reading takes half the time."""

    def options(self) -> Any:
        """The options of the format, of its class in relclf.config.formats; its defaults where it is a name alone."""
        if not isinstance(self.format, str):
            return self.format
        from relclf.config.formats import FORMATS

        return FORMATS[self.format]()

    def group(self, fields: dict[str, Any], source: str) -> str | None:
        """What `group_by` names, in the fields of a record. Raises DataError where they lack it."""
        name = self.group_by
        if name is None or name == SENTENCE:
            return None
        if name in fields:
            return str(fields[name])
        names = "".join(f", {field}" for field in list(fields)[:20])
        raise DataError(f"{source}: no {name!r}, which data.group_by names. There is: {SENTENCE}{names}.")


def reading_of(config: "ExperimentConfig", *, offsets: bool = True) -> Reading:
    """How a config wants its files to be read."""
    data = config.data
    return Reading(
        data.format, data.charset, config.encoding.tokenizer, data.group_by, data.skip_bad, offsets
    )


def checked_tokenizer(name: str | None) -> str:
    """The tokenizer that the option --tokenizer means; without it the default. Raises UserMistake."""
    if name is not None and name not in TOKENIZERS:
        raise UserMistake(f"--tokenizer: must be {', '.join(TOKENIZERS)} (got {name!r}).")
    return name or TOKENIZER


def reading_named(format: str, charset: str = UTF_8, option: str = "--format") -> Reading:
    """What the options --format and --charset of a command mean. Raises UserMistake."""
    if not extends_ascii(charset):
        raise UserMistake(
            f"--charset: {charset!r} is no encoding that Python knows and that extends ASCII. "
            "Try utf-8, latin-1 or cp1252."
        )
    if not format.startswith("{"):
        return Reading(format, charset)
    from relclf.config.formats import format_of

    return Reading(format_of(format, option), charset)
