"""Tests of the commands of the reports."""
