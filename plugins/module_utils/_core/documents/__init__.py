"""Strict JSON documents, each described once for reading, writing and its published schema."""
