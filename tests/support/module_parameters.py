"""What a module's argument spec makes of options, as Ansible would pass them on to its operation."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator


@functools.cache
def argument_spec(module: ModuleType) -> dict[str, Any]:
    """The argument spec that the module gives to Ansible."""
    given: dict[str, Any] = {}
    original = module.run_module
    module.run_module = lambda spec, _operation, **_options: given.update(spec)  # type: ignore[attr-defined]
    try:
        module.main()
    finally:
        module.run_module = original  # type: ignore[attr-defined]
    return given


def defaults(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a group of options is where nothing is given."""
    return {name: option.get("default") for name, option in options.items()}


def parameters(module: ModuleType, **options: Any) -> dict[str, Any]:
    """*options* checked by the argument spec, and its defaults; what is None is left out."""
    given = {name: value for name, value in options.items() if value is not None}
    result = ArgumentSpecValidator(argument_spec(module)).validate(given)
    if result.error_messages:
        raise ValueError(result.error_messages)
    return dict(result.validated_parameters)
