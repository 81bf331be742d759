"""The backend's answer into message events. Imports nothing of `request`."""
