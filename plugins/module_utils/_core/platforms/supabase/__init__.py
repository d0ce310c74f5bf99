"""Supabase: the projects that it hosts, and the backups that it makes of them by itself."""
