"""What the command line does, one module per command; `cli.py` only names them and their options."""
