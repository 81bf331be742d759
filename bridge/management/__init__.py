"""What operators run from a shell: `commands`, and what several of them share."""
