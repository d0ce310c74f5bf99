"""Alerts: what went wrong, told to people by email, Slack, PagerDuty and others."""

from __future__ import annotations

from .run import run_alert

__all__ = ["run_alert"]
