"""What people look at: plots for asset metadata and the report. Draws numbers, makes none up."""
