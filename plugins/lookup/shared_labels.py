# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: shared_labels
short_description: Find databases of the inventory that have one label in one location
version_added: 0.1.0
author:
  - The mobul.backup maintainers (@mobul)
description:
  - Looks at C(backup_label) and C(backup_locations) of every host of the group C(databases), whatever the limit is.
  - Sets of two databases under one label would be taken for one database's. The playbooks refuse such an inventory.
  - Of a location only the options that tell where it is are read, and no secret. A host of which they cannot be told,
    because a variable that they need is not set here say, is left out.
  - What is given on the command line holds for the hosts that are run for, and only these are compared then.
options:
  _terms:
    description: Hosts that are run for. Only what concerns one of them is told.
    required: true
"""

EXAMPLES = r"""
- name: Check that the databases do not share a label
  ansible.builtin.assert:
    that: query('mobul.backup.shared_labels', *ansible_play_hosts_all) | length == 0
"""

RETURN = r"""
_list:
  description: A line for each label that is shared.
  type: list
  elements: str
"""

from collections.abc import Callable, Mapping
from typing import Any

from ansible import context
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.factory import location_type
from ansible_collections.mobul.backup.plugins.module_utils._core.locations.places import ListedDatabase, shared_labels

_VARIABLES = ("backup_label", "backup_locations")
_THIS_HOST = ("localhost", "127.0.0.1", "::1")


class LookupModule(LookupBase):
    """What Ansible calls; it needs the variables of hosts outside of the play, one by one."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_kwargs: Any) -> list[str]:
        """Read what the inventory says of the databases, and compare it."""
        variables = variables or {}
        hosts = variables.get("groups", {}).get("databases", [])
        if any(name in load_extra_vars(self._loader) for name in _VARIABLES):
            hosts = [host for host in hosts if host in terms]
        listed = (self._listed(host, variables["hostvars"]) for host in hosts)
        return shared_labels([one for one in listed if one is not None], terms)

    def _listed(self, host: str, hostvars: Any) -> ListedDatabase | None:
        """One database; None where its label or locations cannot be told."""
        raw = {**hostvars.raw_get(host), "hostvars": hostvars}
        templar = self._templar.copy_with_new_env(available_variables=raw)

        def value(name: str) -> Any:
            return templar.template(raw.get(name))

        try:
            found = raw.get("backup_locations") or []
            # A list is not templated as a whole: it has the secrets that lead to its locations.
            locations = found if isinstance(found, list) else value("backup_locations")
            places = [self._where(one, templar.template) for one in locations if isinstance(one, Mapping)]
            return ListedDatabase(host, str(value("backup_label") or host), self._runs_on(host, value), places)
        except Exception:
            # Whatever a template says that cannot be filled in; the play of that host tells it, if it is run.
            return None

    @staticmethod
    def _where(location: Mapping[str, Any], template: Callable[[Any], Any]) -> dict[str, Any]:
        """The options that say where a location is, without any others."""
        options = {key: template(location.get(key)) for key in ("name", "type")}
        kind = location_type(options)
        return options | {key: template(location.get(key)) for key in (kind.where if kind else ())}

    @staticmethod
    def _runs_on(host: str, value: Any) -> str:
        """The host on which the modules for a database run; empty for this one."""
        connection = value("ansible_connection") or context.CLIARGS.get("connection") or "ssh"
        address = str(value("ansible_host") or host)
        if connection == "local" or address in _THIS_HOST:
            return ""
        return f"{connection}://{address}:{value('ansible_port') or ''}"
