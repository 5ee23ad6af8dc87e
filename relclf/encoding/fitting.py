"""Fits a sentence into the longest length that a config allows, or refuses it."""

from relclf.errors import DataError
from relclf.example import Example, MentionSpan


def fit_length(example: Example, max_length: int, too_long: str) -> Example:
    """The example itself, or, with too_long "window", `max_length` tokens of it around both mentions.

    The tokens left over after the stretch between the mentions are shared out to both sides. Raises
    DataError for a longer sentence with too_long "refuse", or whose mentions do not fit one window.
    """
    length = len(example.tokens)
    if length <= max_length:
        return example
    if too_long == "refuse":
        raise DataError(
            f"{example.source}: a sentence of {length} tokens, more than encoding.max_length ({max_length}). "
            "Raise it, or set encoding.too_long to window to cut such sentences around their mentions."
        )
    first = min(example.head.start, example.tail.start)
    last = max(example.head.end, example.tail.end)
    spare = max_length - (last - first)
    if spare < 0:
        raise DataError(
            f"{example.source}: the mentions stand {last - first} tokens apart, "
            f"more than encoding.max_length ({max_length}). Raise it, or leave the sentence out."
        )
    start = min(max(0, first - spare // 2), length - max_length)
    return crop(example, start, start + max_length)


def crop(example: Example, start: int, end: int) -> Example:
    """The tokens from `start` to `end`, in which both mentions are; its group is that of the whole sentence."""
    return Example(
        example.id,
        example.tokens[start:end],
        MentionSpan(example.head.start - start, example.head.end - start),
        MentionSpan(example.tail.start - start, example.tail.end - start),
        example.relation,
        example.source,
        example.offsets[start:end] if example.offsets is not None else None,
        " ".join(example.tokens) if example.group is None else example.group,
        example.remark,
        head_type=example.head_type,
        tail_type=example.tail_type,
    )
