"""Procedures: checklists whose every step has its evidence, and that end in go or no go."""
