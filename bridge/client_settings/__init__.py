"""Settings of Claude Code: those that fit a caller, those that an operator may hand out. Pure."""
