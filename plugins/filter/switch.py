# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter switch: whether something is wanted."""

from __future__ import annotations

DOCUMENTATION = r"""
name: switch
short_description: Whether something is wanted, of a variable that is true or false
version_added: 0.1.0
author:
  - The mobul.backup maintainers (@mobul)
description:
  - Reads a variable as Ansible reads an option of the type bool of a module, and fails for anything else. The filter
    C(ansible.builtin.bool) takes what it does not know for false, a safety backup that is wanted C(truly) say.
positional: name
options:
  _input:
    description: The variable's value.
    type: raw
    required: true
  name:
    description: The variable's name, for the message.
    type: str
    required: true
  empty:
    description: What an empty text or null means, as surveys answer it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Back up if it is wanted
  ansible.builtin.debug:
    msg: It is wanted.
  when: restore_safety_backup | mobul.backup.switch('restore_safety_backup', empty=true)
"""

RETURN = r"""
_value:
  description: Whether it is wanted.
  type: bool
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean


def switch(value: Any, name: str, empty: bool = False) -> bool:
    """The boolean that *value* stands for."""
    if value is None or value == "":
        return empty
    try:
        return bool(boolean(value))
    except TypeError:
        raise AnsibleFilterError(f"check the options: {name} is {value!r} (true or false)") from None


class FilterModule:
    """The class by which Ansible finds the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """A mapping from the filter's name to its function."""
        return {"switch": switch}
