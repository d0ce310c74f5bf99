# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter awx_plan: what a controller is to have."""

from __future__ import annotations

DOCUMENTATION = r"""
name: awx_plan
short_description: What an AWX or Tower is to have for the procedures
version_added: 0.1.0
author:
  - The mobul.backup maintainers (@mobul)
description:
  - Works out which objects a controller is to have. The role P(mobul.backup.awx#role) brings it there.
options:
  _input:
    description: The settings of the role, and what the product has of its own.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the job templates that there are to be
  ansible.builtin.debug:
    msg: "{{ (awx__settings | mobul.backup.awx_plan).jobs | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: Lists with an entry for each object, and C(problems) of the settings.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mobul.backup.plugins.plugin_utils.awx_plan import make_plan


class FilterModule:
    """The class by which Ansible finds the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """A mapping from the filter's name to its function."""
        return {"awx_plan": make_plan}
