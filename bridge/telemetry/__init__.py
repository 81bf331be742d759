"""Telemetry of clients: taken, and handed to the operator's collector where there is one."""
