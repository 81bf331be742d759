"""One request, as its page explains it. Pure."""
