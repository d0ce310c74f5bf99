# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option group PROFILE."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  profile:
    description:
      - The platform that hosts the database. Nobody is a superuser there, and some of what is in it is the platform's.
      - With V(supabase) the platform's schemas and roles stay as they are in a project, and the rows of users, files
        and jobs are in the backup and come back with it. What no role can read is left out and named.
        C(docs/supabase.md) has the rest.
    type: str
    choices: [supabase]
    version_added: 0.1.0
"""
