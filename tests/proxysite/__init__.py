"""The project around the gateway: its settings, and the ways in which it starts and ends."""
