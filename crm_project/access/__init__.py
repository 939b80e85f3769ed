"""Who calls the API and what they may, and the answers that are kept for retries."""
