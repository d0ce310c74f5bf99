"""What a restore remembers in the comment of an object: JSON with the mark of this product."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

MARK = "mobul.backup"

Self = TypeVar("Self", bound="CommentNote")


@dataclass(frozen=True)
class CommentNote:
    """The base class of such notes. Whoever owns the object can have written anything into its comment."""

    def to_text(self) -> str:
        """The note as the text of a comment."""
        return json.dumps({MARK: asdict(self)}, ensure_ascii=False, sort_keys=True)

    @classmethod
    def parse(cls: type[Self], text: str | None) -> Self | None:
        """The note in a comment; None if the comment is not one of this product's."""
        try:
            return cls.of_fields(json.loads(text or "")[MARK])
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    @classmethod
    def of_fields(cls: type[Self], fields: Any) -> Self:
        """The note of what was read.

        :raises ValueError, TypeError, KeyError, AttributeError: it is none.
        """
        return cls(**fields)
