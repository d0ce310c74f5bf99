# Copyright (c) 2026, the mobul.backup maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option group POLICY."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  policy:
    description:
      - How long sets are kept, by kind, V(until_released) or a number of days, weeks, calendar months or years,
        for example V(90d), V(12w), V(6mo) or V(7y). V(m) is minutes in other options, and refused here.
      - V(null) for V(monthly) or V(yearly) means that there are none of these. Kinds that are left out keep their
        default.
      - By default V(daily) 7d, V(weekly) 90d, V(monthly) 1y, V(yearly) 7y, V(pre_deploy) 30d, V(pre_restore) 7d,
        V(export) 90d, and V(pre_migration), V(post_incident) and V(manual) until they are released.
      - The first good weekly set of a month serves as the monthly one, and the first of a year as the yearly one.
    type: dict
"""
