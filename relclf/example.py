"""An example: a tokenised sentence with two marked mentions and, where it is known, its relation."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MentionSpan:
    """Half-open token indices: the mention is tokens[start:end], with start < end."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Example:
    """One sentence and one pair of mentions.

    `head` and `tail` are roles in (head, relation, tail); either may stand first in the text.
    `offsets` holds the half-open character offsets of each token in the text, or None where the input
    came as tokens. `source` is "file:line", for error messages. A type says what kind of entity a mention is of.
    """

    id: str
    tokens: tuple[str, ...]
    head: MentionSpan
    tail: MentionSpan
    relation: str | None
    source: str
    offsets: tuple[tuple[int, int], ...] | None = None
    group: str | None = None
    remark: str | None = None
    text: str | None = field(default=None, compare=False, repr=False)
    head_type: str | None = None
    tail_type: str | None = None
