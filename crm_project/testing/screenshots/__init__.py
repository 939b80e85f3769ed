"""Pictures of the back office, taken in a throw-away database with the story of the demo."""
