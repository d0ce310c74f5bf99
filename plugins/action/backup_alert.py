# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mobul.backup.plugins.plugin_utils.run_guard import GuardedAction


class ActionModule(GuardedAction):
    """The module of this name, which ends with its run."""

    refuses_undefined = False
