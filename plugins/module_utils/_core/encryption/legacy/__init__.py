"""Formats that older procedures left behind, which are only read."""
