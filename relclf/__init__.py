"""relclf: relation classification experiments. Importing it costs nothing until something is used.

`relclf.train(config)` yields an EpochRecord an epoch; `relclf.load(run).predict([...])` labels sentences.
"""

from typing import TYPE_CHECKING, Any

from relclf.version import __version__

if TYPE_CHECKING:
    from relclf.diagnosis.watching import watch
    from relclf.prediction.predictor import Predictor, load
    from relclf.training.experiment import train

__all__ = ["Predictor", "__version__", "load", "train", "watch"]

_HOMES = {
    "Predictor": "relclf.prediction.predictor",
    "load": "relclf.prediction.predictor",
    "train": "relclf.training.experiment",
    "watch": "relclf.diagnosis.watching",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import relclf` loads neither torch nor pydantic."""
    if name not in _HOMES:
        raise AttributeError(f"module 'relclf' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
