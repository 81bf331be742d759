"""Which requests: conditions of filters, names to choose from, errors by message, ids."""
