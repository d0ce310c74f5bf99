#!/usr/bin/python
# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_metrics
short_description: Write the state of a database's backups for Prometheus
version_added: 0.1.0
description:
  - Reads the catalogue of a label over all its locations and writes it as a file for the textfile collector of
    node_exporter, C(mobul_backup_<label>.prom).
  - The file is replaced as a whole, and only where its content has changed.
author:
  - The mobul.backup maintainers (@mobul)
requirements:
  - prometheus_client >= 0.20
extends_documentation_fragment:
  - mobul.backup.locations
  - mobul.backup.catalogue
attributes:
  check_mode:
    support: full
    description: Says whether the file would change.
  diff_mode:
    support: full
    description: Shows the old and the new content.
options:
  directory:
    description:
      - Directory of the file, that of node_exporter's C(--collector.textfile.directory). It must be there.
      - The file can be read by everybody, as node_exporter runs as a user of its own. Nothing in it is secret.
    type: path
    required: true
  environment:
    description: Environment that the database belongs to, a label of every metric.
    type: str
    default: ""
  supabase:
    description:
      - What M(mobul.backup.supabase_backup_info) has returned, as registered.
      - Metrics of what Supabase keeps of the project go to a file of their own, C(mobul_supabase_<label>.prom).
      - Empty removes that file. Without this option it is left as it is.
    type: dict
seealso:
  - module: mobul.backup.backup_check
"""

EXAMPLES = r"""
- name: Tell Prometheus how the backups are
  mobul.backup.backup_metrics:
    label: shop
    environment: production
    locations: "{{ backup_locations }}"
    directory: /var/lib/prometheus/node-exporter
"""

RETURN = r"""
path:
  description: Path of the file.
  returned: success
  type: str
  sample: /var/lib/prometheus/node-exporter/mobul_backup_shop.prom
summary:
  description: What was done, for a person.
  returned: success
  type: list
  elements: str
  sample: ["shop: /var/lib/prometheus/node-exporter/mobul_backup_shop.prom was written"]
"""

from ansible_collections.mobul.backup.plugins.module_utils._ansible.module import run_module
from ansible_collections.mobul.backup.plugins.module_utils._ansible.options import CATALOGUE
from ansible_collections.mobul.backup.plugins.module_utils._core.monitoring.metrics import run_backup_metrics


def main() -> None:
    run_module(
        {
            **CATALOGUE,
            "directory": {"type": "path", "required": True},
            "environment": {"type": "str", "default": ""},
            "supabase": {"type": "dict"},
        },
        run_backup_metrics,
    )


if __name__ == "__main__":
    main()
