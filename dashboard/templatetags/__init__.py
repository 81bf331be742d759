"""Tags and filters of the reports' templates."""
