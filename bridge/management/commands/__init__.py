"""One module for each command of `manage.py`; `manage.py help` lists them with their first line."""
