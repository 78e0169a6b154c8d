"""The project in other surroundings than a fresh clone of one's own: each test is a row of docs/surroundings.md."""
