"""The PostgreSQL server that comes with the site and runs if DATABASE_URL is empty."""
