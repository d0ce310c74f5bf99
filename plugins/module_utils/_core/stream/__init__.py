"""The one idea: Source -> Transform* -> Sink*, each stage in a thread of its own, memory bounded."""
