"""What Claude Code asks of a gateway beside the Messages API."""
