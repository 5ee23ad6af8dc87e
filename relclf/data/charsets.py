"""Says which encodings of characters a data file may have."""

_ASCII = bytes(range(128))


def extends_ascii(charset: str) -> bool:
    """Whether Python knows an encoding of text in which ASCII is itself, so that its lines end as ASCII's do."""
    try:
        return _ASCII.decode(charset) == _ASCII.decode("ascii")
    except (LookupError, UnicodeError, ValueError):
        return False
