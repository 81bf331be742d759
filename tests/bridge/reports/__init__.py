"""Faults that users of gateways and of open models reported, each played in both modes."""
