"""The real process on a real socket, between a scriptable backend and real clients."""
