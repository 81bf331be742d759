"""The report on auto mode."""
