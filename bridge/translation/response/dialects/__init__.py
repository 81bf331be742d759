"""Reading what backends answer: one file per family of quirks."""
