"""Tables, statements and the store that runs units of work; the only place with SQL."""
