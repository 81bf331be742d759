"""What several gateway processes share: the Redis connection and announcements of changes.

Imports nothing of this project.
"""
