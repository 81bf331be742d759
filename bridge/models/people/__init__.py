"""Who calls: issued keys, the people and teams that they belong to, and what all of them may use.

A person is a user of Django. `limit_columns` has what keys, people and teams share.
"""
