"""Alerts: what went wrong, told to people by email, Slack, PagerDuty and others."""
