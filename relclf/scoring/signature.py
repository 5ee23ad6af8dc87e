"""The signature that travels with every score and says which score it is, after sacreBLEU's."""

import hashlib
from collections.abc import Mapping

from relclf.relations import RelationSet
from relclf.scoring.metrics import Mask, counted_names
from relclf.version import __version__


def signature(
    name: str, relations: RelationSet, counted: Mask, details: Mapping[str, str] | None = None
) -> str:
    """A compact "key:value|key:value" text; equal signatures mean comparable scores.

    counted: (relations,) the relations with gold support. `details` are further pairs (bootstrap, tokenizer),
    put before the version. The set is the first 8 hex digits of the SHA-256 of the sorted names counted.
    """
    names = counted_names(name, relations, counted)
    parts = {
        "relations": str(len(names)),
        "negative": _negative(name, relations),
        "direction": "counted" if name == "semeval2010" else "as named",
        "zero_division": "0",
        "set": hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:8],
        **(details or {}),
        "relclf": __version__,
    }
    return "|".join([name, *(f"{key}:{value}" for key, value in parts.items())])


def _negative(name: str, relations: RelationSet) -> str:
    if relations.negative is None:
        return "undeclared"
    included = name in ("macro_f1", "accuracy")
    return f"{relations.negative} {'included' if included else 'excluded'}"
