# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option group ADOPT."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  adopt:
    description:
      - System identifier of another server whose sets belong to this database, too, as of the server that it was on
        before an upgrade or a move. Of a set that knows none it is the name of its database.
      - Without, sets of another system identifier or database name under one label are refused. The error and
        M(mobul.backup.backup_info) tell it.
      - It has up to 20 digits, more than some programs keep of a number. Write it in quotes.
    type: str
    version_added: 0.1.0
"""
