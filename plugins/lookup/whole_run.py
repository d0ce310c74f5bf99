# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: whole_run
short_description: Refuse a run that begins in the middle
version_added: 0.1.0
author:
  - The mobul.backup maintainers (@mobul)
description:
  - Fails where C(--start-at-task) was given. What is checked first would be left out, tasks with the tag C(always) too,
    and where no task has that name Ansible does nothing and ends well.
  - It is nothing otherwise. The playbooks have it in the hosts of their first play, which are looked at in any case.
options:
  _terms:
    description: None.
    required: false
"""

EXAMPLES = r"""
- name: Inventory
  hosts: "{{ lookup('mobul.backup.whole_run') }}localhost"
  gather_facts: false
  tasks:
    - name: Take part only in runs that are run from their beginning
      ansible.builtin.debug:
        msg: Nothing was left out.
"""

RETURN = r"""
_list:
  description: An empty text.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    """The class by which Ansible finds the lookup."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_kwargs: Any) -> list[str]:
        """Return one empty text; raise where ansible-playbook was told to leave tasks out."""
        if task := context.CLIARGS.get("start_at_task"):
            raise AnsibleLookupError(
                f"check the run: --start-at-task {task!r} leaves out what is checked first (run all of it: what was "
                "done already is found); nothing was done"
            )
        # Of no text at all a list would become part of the hosts.
        return [""]
