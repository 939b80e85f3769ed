"""The machinery that tests share: databases, a real server, threads that start together."""
