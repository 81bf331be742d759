"""Telling the other processes at once that the configuration has changed.

A hint and nothing more: every process also looks at the version once a second. Without REDIS_URL
the layer reaches this process only; with it, all of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)

GROUP = "configuration"
PAUSE_SECONDS = 5.0
"""Between two attempts to reach a channel layer that is away."""


def announce() -> None:
    """Tell every process that listens. Never raises: who does not hear it will look by itself."""
    layer: Any = get_channel_layer()
    if layer is None:
        return
    try:
        async_to_sync(layer.group_send)(GROUP, {"type": "configuration.changed"})
    except Exception as error:  # a layer may fail with whatever its client library raises
        logger.warning("a change could not be announced: %s", type(error).__name__)


async def listen(heard: Callable[[], None]) -> None:
    """Call `heard` for every announcement, for as long as the process lives."""
    layer: Any = get_channel_layer()
    while layer is not None:
        try:
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
            while True:
                await layer.receive(channel)
                heard()
        except Exception as error:  # see above
            logger.warning("changes are not announced here: %s", type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
