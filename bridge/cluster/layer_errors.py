"""What the channel layer raises when it cannot be reached."""

from __future__ import annotations


def layer_errors(*, with_redis: bool) -> tuple[type[Exception], ...]:
    """The errors to expect; none from the layer within one process."""
    if not with_redis:
        return ()
    from bridge.cluster import redis_errors  # the import is slow, and only needed here

    return redis_errors.AWAY
