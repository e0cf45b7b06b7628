"""Django's PostgreSQL backend with psycopg2, and the embedded server behind it."""
