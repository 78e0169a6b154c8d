"""The program: the architecture diagram as a list of files."""
