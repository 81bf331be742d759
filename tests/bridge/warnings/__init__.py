"""Warnings: what is noticed, and how it is sent."""
