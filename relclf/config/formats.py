"""The formats of data files that a config can name, each with its options."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_serializer, model_validator

from relclf.config.section import Section

Text = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Text, Text], Field(strict=False)]
Several = Literal["refuse", "first", "nearest"]
_SEVERAL = (
    "`refuse` the sentence, take the `first`, or the `nearest` pair of both mentions (what was taken is counted "
    "and said)"
)


class _Format(Section):
    """A format of data files; one with nothing but defaults is written as its name alone."""

    @model_serializer(mode="wrap")
    def _short(self, full: Any) -> Any:
        values = full(self)
        return values["name"] if self == type(self)() else values


class AutoFormat(_Format):
    """The first line that is not blank shows the format: one of those that need no options."""

    name: Literal["auto"] = Field(default="auto", description="which format.")


class Semeval2010Format(_Format):
    """The text of SemEval-2010 Task 8, and of KBP37 and RELX."""

    name: Literal["semeval2010"] = Field(default="semeval2010", description="which format.")


class TacredFormat(_Format):
    """The JSON of TACRED: tokens, and spans whose ends are inclusive."""

    name: Literal["tacred"] = Field(default="tacred", description="which format.")


class OpenNreFormat(_Format):
    """The lines of OpenNRE: JSON objects or Python literals with `h` and `t`."""

    name: Literal["opennre"] = Field(default="opennre", description="which format.")


class FewRelFormat(_Format):
    """The JSON of FewRel: one object with a list of sentences for each relation."""

    name: Literal["fewrel"] = Field(default="fewrel", description="which format.")
    several: Several = Field(
        default="first", description=f"where a mention stands at several places: {_SEVERAL}."
    )


class JsonlFormat(_Format):
    """Our own JSON lines; the keys can have other names."""

    name: Literal["jsonl"] = Field(default="jsonl", description="which format.")
    text: Text = Field(default="text", description="the key of the sentence as text.")
    tokens: Text = Field(default="tokens", description="the key of the sentence as a list of words.")
    head: Text = Field(default="head", description="the key of the head's span.")
    tail: Text = Field(default="tail", description="the key of the tail's span.")
    relation: Text = Field(default="relation", description="the key of the relation.")
    id: Text = Field(default="id", description="the key of the id.")
    head_type: Text = Field(default="head_type", description="the key of the head's type; it may be missing.")
    tail_type: Text = Field(default="tail_type", description="the key of the tail's type; it may be missing.")


class JsonFormat(JsonlFormat):
    """One JSON array of the objects of `jsonl`."""

    name: Literal["json"] = Field(default="json", description="which format.")  # type: ignore[assignment]


class DelimitedFormat(_Format):
    """A table: CSV, TSV, or another separator; a sentence a row."""

    name: Literal["delimited"] = Field(default="delimited", description="which format.")
    separator: Annotated[str, Field(min_length=1, max_length=1)] | Literal["auto", "tab"] = Field(
        default="auto",
        description="one character between the columns, or `tab`; `auto`: a tab where the first line has one, "
        "else a comma.",
    )
    quote: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default='"',
        description="around a column that holds the separator; null: quotes are plain characters.",
    )
    columns: Annotated[tuple[Text, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None,
        description="the columns' names, in order, where the file has no first line that names them.",
    )
    text: Text = Field(default="text", description="the column of the sentence.")
    head: Text | Columns = Field(
        default=("head_start", "head_end"),
        description="the two columns of the head's start and end, or one column: its words, to be found in "
        "the sentence.",
    )
    tail: Text | Columns = Field(default=("tail_start", "tail_end"), description="likewise of the tail.")
    relation: Text = Field(default="relation", description="the column of the relation; it may be missing.")
    id: Text = Field(default="id", description="the column of the id; it may be missing.")
    head_type: Text = Field(
        default="head_type", description="the column of the head's type; it may be missing."
    )
    tail_type: Text = Field(
        default="tail_type", description="the column of the tail's type; it may be missing."
    )
    unit: Literal["characters", "tokens"] = Field(
        default="characters",
        description="what starts and ends count; with `tokens` the sentence is split at its blanks alone.",
    )
    ends: Literal["exclusive", "inclusive"] = Field(
        default="exclusive",
        description="whether an end is the first place after the mention or its last place.",
    )
    several: Several = Field(
        default="refuse", description=f"where a mention's words stand at several places: {_SEVERAL}."
    )

    @model_validator(mode="after")
    def _alike(self) -> "DelimitedFormat":
        if isinstance(self.head, str) != isinstance(self.tail, str):
            raise ValueError("head and tail are both one column (words) or both two (start and end)")
        if isinstance(self.head, str) and self.unit == "tokens":
            raise ValueError(
                "unit: tokens is for columns of starts and ends, and head and tail are words here"
            )
        return self


class MarkedFormat(_Format):
    """Sentences with the mentions marked in the text, as JSON lines or plain lines."""

    name: Literal["marked"] = Field(default="marked", description="which format.")
    lines: Literal["json", "plain"] = Field(
        default="json",
        description="`json`: an object a line; `plain`: the sentence, then, after tabs, its relation and its id, "
        "which may be missing.",
    )
    head: Columns = Field(default=("<e1>", "</e1>"), description="the marks before and after the head.")
    tail: Columns = Field(default=("<e2>", "</e2>"), description="the marks before and after the tail.")
    text: Text = Field(default="text", description="the key of the sentence, in JSON.")
    relation: Text = Field(default="relation", description="the key of the relation, in JSON.")
    id: Text = Field(default="id", description="the key of the id, in JSON.")
    head_type: Text = Field(
        default="head_type", description="the key of the head's type, in JSON; it may be missing."
    )
    tail_type: Text = Field(
        default="tail_type", description="the key of the tail's type, in JSON; it may be missing."
    )

    @model_validator(mode="after")
    def _distinct(self) -> "MarkedFormat":
        marks = (*self.head, *self.tail)
        if any(a != b and (a in b or b in a) for a in marks for b in marks) or len(set(marks)) < 4:
            raise ValueError("head and tail need four different marks, none of them inside another")
        return self


class BlocksFormat(_Format):
    """Blocks of `KEY : VALUE` lines, one sentence each, mentions given by their words."""

    name: Literal["blocks"] = Field(default="blocks", description="which format.")
    text: Text = Field(default="SENTENCE", description="the key of the sentence, with which a block begins.")
    head: Text = Field(default="ENTITY1", description="the key of the head's words.")
    tail: Text = Field(default="ENTITY2", description="the key of the tail's words.")
    relation: Text = Field(default="REL TYPE", description="the key of the relation.")
    several: Several = Field(
        default="refuse", description=f"where a mention's words stand at several places: {_SEVERAL}."
    )


class BratFormat(_Format):
    """A folder of brat's standoff files: NAME.txt with the text, NAME.ann with mentions and relations."""

    name: Literal["brat"] = Field(default="brat", description="which format.")
    sentences: Literal["lines", "marks"] = Field(
        default="marks",
        description="a sentence ends with its line (`lines`), or also after `.`, `!` or `?` before a blank "
        "and a character that is no small letter (`marks`); never inside a mention.",
    )
    across: Literal["refuse", "join"] = Field(
        default="refuse",
        description="a relation between mentions of two sentences: `refuse` it, or `join` the sentences from the one "
        "to the other.",
    )
    negative: Text | None = Field(
        default=None,
        description="the relation that pairs of one sentence get that are not annotated; null: there are no "
        "such examples.",
    )
    window: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="a pair for `negative` has at most this many tokens between its mentions."
    )

    @model_validator(mode="after")
    def _window_of_negatives(self) -> "BratFormat":
        if self.window is not None and self.negative is None:
            raise ValueError("window is for the pairs of `negative`")
        return self


AnyFormat = (
    AutoFormat
    | Semeval2010Format
    | TacredFormat
    | OpenNreFormat
    | FewRelFormat
    | JsonlFormat
    | JsonFormat
    | DelimitedFormat
    | MarkedFormat
    | BlocksFormat
    | BratFormat
)
FORMATS: dict[str, type[AnyFormat]] = {kind.model_fields["name"].default: kind for kind in AnyFormat.__args__}


def _or_a_name(schema: dict[str, Any]) -> None:
    """For editors: a format's name alone will do as well."""
    inner = {key: schema.pop(key) for key in ("oneOf", "discriminator")}
    schema["anyOf"] = [{"enum": list(FORMATS)}, inner]


FormatConfig = Annotated[AnyFormat, Field(discriminator="name", json_schema_extra=_or_a_name)]


def format_of(text: str, option: str) -> AnyFormat:
    """The format that a command-line option means: a name, or a YAML mapping such as "{name: delimited, ...}".

    Raises UserMistake.
    """
    from relclf.config.loading import config_from_mapping
    from relclf.errors import UserMistake

    try:
        config = config_from_mapping({"data": {"train": "-"}}, Path(), [f"data.format={text}"])
    except UserMistake as error:
        raise UserMistake(str(error).replace(f"--set data.format={text}: data.format", option)) from None
    return config.data.format
