"""Who used what together: people and teams."""
