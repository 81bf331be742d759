"""`manage.py usage`, the reports in a terminal."""
