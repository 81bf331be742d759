"""The admin API: what operators do in the admin, for scripts, under `/api/admin/v1/`.

`routes` is the table of all endpoints. A request is authenticated, compared with its role, read
into a struct, and handed to a handler of `resources`; what is written goes through the documents
of rows, so that checks and history are those of the admin. `openapi` describes the same table.
"""
