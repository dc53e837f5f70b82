"""The web server: uploads, metrics and health, and later the pages; whoever may talk to it is decided at its door."""
