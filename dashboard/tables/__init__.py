"""Tables: sorting, keyset paging, exports."""
