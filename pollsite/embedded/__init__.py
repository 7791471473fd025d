"""The PostgreSQL server that the site brings along, for when DATABASE_URL names no other."""
