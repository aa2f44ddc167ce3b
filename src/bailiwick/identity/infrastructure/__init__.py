"""How identity meets libraries, the mail and the database."""
