"""Verification without a server: whether a set or a file is authentic, whole, and can be read to its end."""
