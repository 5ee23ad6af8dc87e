"""What every section of a config is: strictly typed, without unknown keys, never changed after it was read."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of the config: strict types, no unknown keys, never changed after it was read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def named(value: Any, default: str | None = None) -> Any:
    """A section that is chosen by its `name`: a name alone means its defaults, keys alone those of the default."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" not in value and default is not None:
        return {"name": default, **value}
    return value
