"""Bringing sets to the locations that lack them, each from a good copy in another."""
