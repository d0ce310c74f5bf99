# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option group CATALOGUE, but for the locations."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  label:
    description: The database's name in the catalogue.
    type: str
    required: true
  verify_key:
    description:
      - Public keys (or paths of files with them) of which one must have signed every set; what was not counts as
        damaged.
    type: list
    elements: str
    default: []
  record_verify_key:
    description:
      - Public keys (or paths of files with them) that vouch for releases, holds and the records of restore drills. They
        vouch for no set, and O(verify_key) for no record.
      - A release or a drill's record that one of them has signed counts in every location. Any other counts only where
        it lies, and none that is from the future counts. A hold counts everywhere, signed or not.
    type: list
    elements: str
    default: []
    version_added: 0.1.0
  cache_dir:
    description:
      - Where to keep what was read of manifests that have not changed since. It can be thrown away at any time.
      - C($XDG_CACHE_HOME/mobul.backup) or C(~/.cache/mobul.backup) by default.
    type: path
"""
