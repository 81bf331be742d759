"""What every page shares: its frame, who may see it, sessions of key holders."""
