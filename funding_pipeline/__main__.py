"""`python -m funding_pipeline` is `funding-pipeline`."""

from funding_pipeline.cli import main

if __name__ == "__main__":
    main()
