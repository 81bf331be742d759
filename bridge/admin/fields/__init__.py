"""Fields of forms that no row of a model makes by itself."""
