"""Where the rows of one table come from: a set's dump, an export, a script."""
