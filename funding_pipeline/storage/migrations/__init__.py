"""Steps from one schema of the journal to the next, in Alembic's operations.

A step is frozen: it names tables and columns as they were then, and imports nothing of the program.
"""
