"""Requests that llama.cpp promises to answer on its own `/v1/messages`, as data.

They run against the scriptable backend, and through a live server where there is one.
"""

from tests.fakes.chunks import Json

CITY: Json = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its usual name."}},
    "required": ["city"],
}
WEATHER: Json = {"name": "weather_at", "description": "Weather of a city.", "input_schema": CITY}
CALL: Json = {"type": "tool_use", "id": "call_7", "name": "weather_at", "input": {"city": "Oslo"}}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)
IMAGE: Json = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
}


def user(*content: Json) -> Json:
    return {"role": "user", "content": list(content)}


def block(text: str) -> Json:
    return {"type": "text", "text": text}


def result(content: str, **fields: bool) -> Json:
    return {"type": "tool_result", "tool_use_id": "call_7", "content": content, **fields}


def behind_a_call(*content: Json) -> Json:
    """A conversation in which the user answers a call with these blocks."""
    question, calling = user(block("Weather?")), {"role": "assistant", "content": [CALL]}
    return {"messages": [question, calling, user(*content)], "tools": [WEATHER]}


def turns(*texts: str) -> Json:
    """A conversation of plain texts, the user's first."""
    roles = ("user", "assistant") * len(texts)
    pairs = zip(roles, texts, strict=False)
    return {"messages": [{"role": role, "content": text} for role, text in pairs]}


ANSWERED: dict[str, Json] = {
    "a question": {},
    "system prompt": {"system": "You answer briefly."},
    "several text blocks": {"messages": [user(block("How many"), block(" is a dozen?"))]},
    "conversation": turns("Good day", "Good day to you", "Is it raining?"),
    "result of a call": behind_a_call(result("Sunny, 25°C")),
    "text before a result": behind_a_call(block("This came back:"), result("Sunny, 25°C")),
    "result of a failed call": behind_a_call(result("No such city", is_error=True)),
    "tools": turns("What is the weather in Lisbon?") | {"tools": [WEATHER], "max_tokens": 200},
    "stop sequences": {"stop_sequences": ["\n", "STOP"]},
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.9},
    "top_k": {"top_k": 40},
    "thinking": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    "metadata": {"metadata": {"user_id": "somebody"}},
}
"""What is asked, by the name of the promise."""
