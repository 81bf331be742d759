"""The command of the reports."""
