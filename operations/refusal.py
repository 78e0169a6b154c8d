"""What a verb says when it cannot do its work."""


class RefusedError(Exception):
    """Why, and what to do; printed without a stack trace."""
