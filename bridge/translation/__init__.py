"""The translation core: Claude Messages API on one side, chat completions on the other.

Pure by contract: no I/O, no clock, no randomness, no logging, no settings, no Django. Whatever
varies (ids, limits, the token encoder, what is known of a model) is an argument. Every stage of a
stream has the same verbs, ``feed(x)``, ``finish()`` and, where it can die, ``fail(error)``:

    bytes -> sse -> dialects.chat -> deltas -> message_stream -> events -> frames
                                                                events -> fold -> one message

`profiles` has one row for each backend family, `request` makes the chat request, `response` reads
the answer (`response.message_stream` decides the stop reason), `errors` maps what went wrong.
"""
