"""Retention carried out: what goes, why, and that nothing else does."""
