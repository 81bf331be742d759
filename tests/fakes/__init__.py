"""What surrounds the gateway: a backend behind it, a client in front of it, and its process."""
