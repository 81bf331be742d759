"""Keys, teams, people's limits and users in the admin."""
