"""Requests to web services, over TLS that is verified."""
