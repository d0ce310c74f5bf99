"""Locations that rclone reaches: Google Drive, WebDAV, SFTP and seventy other kinds of store."""
