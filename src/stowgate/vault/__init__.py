"""Who is who: the project key and what is sealed under it. Everything in here stays on the identified side."""
