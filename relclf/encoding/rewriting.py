"""Rewrites a sentence as a network is to read it: cut to what is near its mentions, these masked or marked."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from relclf.encoding.fitting import crop
from relclf.errors import DataError
from relclf.example import Example, MentionSpan

if TYPE_CHECKING:
    from relclf.config.schema import EncodingConfig

MASKS = {"head": "[HEAD]", "tail": "[TAIL]"}
"""What stands for each word of a masked mention."""
TYPED_MASKS = {"head": "[HEAD-", "tail": "[TAIL-"}
"""What it begins with where the mention's type follows, `[HEAD-PERSON]`: spelt so whatever the vocabulary folds."""
MARKERS = {"head": ("<head>", "</head>"), "tail": ("<tail>", "</tail>")}
"""What stands before and after a marked mention."""


@dataclass(frozen=True)
class Rewriting:
    """What is done to each sentence; the defaults leave it as it is."""

    span: int | None = None
    mask_mentions: bool | Literal["types"] = False
    markers: bool = False

    @classmethod
    def of(cls, config: "EncodingConfig") -> "Rewriting":
        """That of a config."""
        return cls(config.span, config.mask_mentions, config.markers)

    def __call__(self, example: Example) -> Example:
        """The sentence rewritten: first cut, then masked, then marked."""
        if self.span is not None:
            example = _around_mentions(example, self.span)
        if self.mask_mentions:
            example = _masked(example, by_type=self.mask_mentions == "types")
        return _marked(example) if self.markers else example


def missing_type(example: Example) -> DataError | None:
    """Why `mask_mentions: types` cannot mask a sentence; None where both mentions have a type."""
    for role, kind in (("head", example.head_type), ("tail", example.tail_type)):
        if kind is None:
            return DataError(
                f"{example.source}: the {role} has no type, which encoding.mask_mentions: types reads in its "
                "place. docs/formats.md says where types stand; mask_mentions: true needs none."
            )
    return None


def _around_mentions(example: Example, span: int) -> Example:
    """Both mentions, what is between them, and at most `span` tokens on either side."""
    start = max(0, min(example.head.start, example.tail.start) - span)
    end = min(len(example.tokens), max(example.head.end, example.tail.end) + span)
    return example if end - start == len(example.tokens) else crop(example, start, end)


def _masked(example: Example, *, by_type: bool) -> Example:
    """A word that is in both mentions counts as the head's."""
    if by_type and (error := missing_type(example)) is not None:
        raise error
    tokens = list(example.tokens)
    for role, mention, kind in (
        ("tail", example.tail, example.tail_type),
        ("head", example.head, example.head_type),
    ):
        mask = f"{TYPED_MASKS[role]}{kind}]" if by_type else MASKS[role]
        tokens[mention.start : mention.end] = [mask] * (mention.end - mention.start)
    return replace(example, tokens=tuple(tokens))


def _marked(example: Example) -> Example:
    """A mention still begins and ends with words of its own; the markers of one inside another are between them."""
    spans = {"head": example.head, "tail": example.tail}
    # Where they stand at one place, what ends comes before what begins, and a mention inside another is inside.
    marks = sorted(
        [(span.start, 1, -span.end, MARKERS[role][0]) for role, span in spans.items()]
        + [(span.end, 0, -span.start, MARKERS[role][1]) for role, span in spans.items()]
    )
    tokens = list(example.tokens)
    for number, (place, _, _, marker) in enumerate(marks):
        tokens.insert(place + number, marker)

    def moved(token: int) -> int:
        return token + sum(place <= token for place, *_ in marks)

    head, tail = (MentionSpan(moved(each.start), moved(each.end - 1) + 1) for each in spans.values())
    return replace(example, tokens=tuple(tokens), head=head, tail=tail, offsets=None)
