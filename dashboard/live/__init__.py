"""The websocket of the live page."""
