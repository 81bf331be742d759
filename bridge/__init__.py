"""The gateway: Claude Messages API in front, OpenAI-compatible backends behind."""
