"""The pages: each reads its range, asks its queries, and fills its template."""
