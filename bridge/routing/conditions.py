"""Which requests a target of an alias takes: by what they are for, hold, ask and measure. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bridge.translation.prompt_size import PromptSize
from bridge.translation.tokens import BYTES_PER_TOKEN

Ratio = Callable[[str, str], float | None]
"""A backend's name and a model -> bytes of text in a token; None where no reply has shown it."""


def no_ratio(backend: str, model: str) -> float | None:
    """Where no model has reported its tokens."""
    return None


@dataclass(frozen=True, slots=True)
class RequestTraits:
    """What routing looks at in a request, beside the name of its model.

    request_class, agent_type   as `RequestPurpose` has them
    max_tokens   the longest answer that the client asks for
    ratio        what is known of tokens at each target
    must_fit     windows count; they do not where a prompt is only measured
    """

    request_class: str = ""
    agent_type: str = ""
    asks_to_think: bool = False
    prompt: PromptSize = PromptSize()
    max_tokens: int = 0
    ratio: Ratio = no_ratio
    must_fit: bool = True

    @property
    def has_image(self) -> bool:
        return self.prompt.images > 0

    def tokens(self, backend: str, model: str) -> int:
        """The prompt's tokens at this target, as estimated."""
        return self.prompt.tokens(self.ratio(backend, model) or BYTES_PER_TOKEN)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request must be for a target to take it. What is empty or None asks for nothing.

    prompt_above   tokens of the prompt, this many or more;  prompt_below  fewer than this
    """

    request_classes: tuple[str, ...] = ()
    agent_types: tuple[str, ...] = ()
    has_image: bool | None = None
    asks_to_think: bool | None = None
    prompt_above: int | None = None
    prompt_below: int | None = None

    def labels(self) -> tuple[str, ...]:
        """The conditions in words, one each."""
        return tuple(label for label, _ in self.checked(RequestTraits(), 0))

    def unmet(self, traits: RequestTraits, tokens: int) -> tuple[str, ...]:
        """Those that a request of that many tokens does not meet, in words."""
        return tuple(label for label, is_met in self.checked(traits, tokens) if not is_met)

    def checked(self, traits: RequestTraits, tokens: int) -> Iterator[tuple[str, bool]]:
        """Each condition in words, and whether it is met."""
        if self.request_classes:
            label = f"class {' or '.join(self.request_classes)}"
            yield label, traits.request_class in self.request_classes
        if self.agent_types:
            label = f"agent type {' or '.join(self.agent_types)}"
            yield label, traits.agent_type.lower() in {name.lower() for name in self.agent_types}
        if self.has_image is not None:
            yield "an image" if self.has_image else "no image", traits.has_image == self.has_image
        if self.asks_to_think is not None:
            label = "thinking" if self.asks_to_think else "no thinking"
            yield label, traits.asks_to_think == self.asks_to_think
        if self.prompt_above is not None:
            yield f"{self.prompt_above:,} tokens or more", tokens >= self.prompt_above
        if self.prompt_below is not None:
            yield f"fewer than {self.prompt_below:,} tokens", tokens < self.prompt_below


ALWAYS = Conditions()
