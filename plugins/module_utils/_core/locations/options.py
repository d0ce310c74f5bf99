"""Reading a location's options: each kind of location names what it takes, everything else is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..backupset.naming import check_name
from ..errors import ConfigError

STEP = "check the locations"


class Options:
    """The options of one location; a value of None counts as not given.

    No value is ever repeated in an error unless it is the name of the location: it might be a secret.

    :param options: the location's dict.
    :param known: what its type takes beside ``name`` and ``type``.
    :raises ConfigError: the name is not usable, or an option is unknown.
    """

    def __init__(self, options: Mapping[str, object], known: Sequence[str]) -> None:
        self._values = {key: value for key, value in options.items() if value is not None}
        self.name = check_name(self._values.get("name"), "the name of a location")  # type: ignore[arg-type]
        self.type = str(self._values.get("type"))
        unknown = sorted(str(key) for key in self._values if key not in ("name", "type", *known))
        if unknown:
            raise self.error(
                f"a location of type {self.type} has no option {', '.join(map(repr, unknown))}",
                hint=f"it takes {', '.join(known)}",
            )

    def error(self, message: str, *, hint: str | None = None) -> ConfigError:
        """A :class:`ConfigError` that names the location."""
        return ConfigError(STEP, f"location '{self.name}': {message}", hint=hint)

    def text(self, key: str) -> str | None:
        """The value of *key*: text without control characters; None when it was not given."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(f"{key} must be text, not {type(value).__name__}")
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise self.error(f"{key} contains a control character")
        return value

    def required_text(self, key: str) -> str:
        """Like :meth:`text`, of an option that must be given and not be empty."""
        value = self.text(key)
        if not value:
            raise self.error(f"{key} is missing", hint=f"a location of type {self.type} needs it")
        return value

    def number(self, key: str, default: float, *, minimum: float) -> float:
        """The value of *key*, a number of at least *minimum*."""
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= minimum:
            raise self.error(f"{key} must be a number of at least {minimum:g}")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """The value of *key*, a boolean."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.error(f"{key} must be true or false")
        return value
