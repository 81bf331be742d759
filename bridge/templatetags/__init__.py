"""Template tags of the admin and of the pages beside it."""
