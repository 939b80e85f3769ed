"""What gets an installation going: a Python, a virtual environment, a database, a first administrator, a server."""
