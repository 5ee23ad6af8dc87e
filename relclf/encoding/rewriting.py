"""Rewrites a sentence as a network is to read it: cut to what is near its mentions, these masked or marked."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from relclf.encoding.fitting import crop
from relclf.example import Example, MentionSpan

if TYPE_CHECKING:
    from relclf.config.schema import EncodingConfig

MASKS = {"head": "[HEAD]", "tail": "[TAIL]"}
"""What stands for each word of a masked mention."""
MARKERS = {"head": ("<head>", "</head>"), "tail": ("<tail>", "</tail>")}
"""What stands before and after a marked mention."""


@dataclass(frozen=True)
class Rewriting:
    """What is done to each sentence; the defaults leave it as it is."""

    span: int | None = None
    mask_mentions: bool = False
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
            example = _masked(example)
        return _marked(example) if self.markers else example


def _around_mentions(example: Example, span: int) -> Example:
    """Both mentions, what is between them, and at most `span` tokens on either side."""
    start = max(0, min(example.head.start, example.tail.start) - span)
    end = min(len(example.tokens), max(example.head.end, example.tail.end) + span)
    return example if end - start == len(example.tokens) else crop(example, start, end)


def _masked(example: Example) -> Example:
    """A word that is in both mentions counts as the head's."""
    tokens = list(example.tokens)
    for role, mention in (("tail", example.tail), ("head", example.head)):
        tokens[mention.start : mention.end] = [MASKS[role]] * (mention.end - mention.start)
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
