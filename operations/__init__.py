"""What people do to the system now and then, from their own machine: `python -m operations --help`."""
