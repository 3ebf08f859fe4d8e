"""What the findings of this package have in common: they turn into what JSON can hold."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class Plain:
    """A dataclass that can be written as JSON: its fields by name, findings and lists of them within included."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, Plain):
        return value.as_dict()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    return value
