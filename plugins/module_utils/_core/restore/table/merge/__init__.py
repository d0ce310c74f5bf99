"""Rows brought into a table that stays."""
