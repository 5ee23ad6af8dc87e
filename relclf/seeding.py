"""Gives every consumer of randomness a seed of its own, made of (seed, purpose, index)."""

import hashlib


def named_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed that depends on nothing but its arguments.

    `purpose` names the consumer ("initialisation", "order", "dropout"); `index` is usually the epoch, so
    that the order of epoch 7 needs no earlier epoch.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
