"""Physical names that fit: AWS and Kubernetes cut or refuse what is too long."""

import hashlib


def physical_name(*parts: str, limit: int) -> str:
    """Parts joined by dashes, in at most `limit` characters; what is too long ends in a hash of the whole instead.

    Raises:
        ValueError: `limit` leaves no room for a hash.
    """
    name = "-".join(parts)
    if len(name) <= limit:
        return name
    if limit < 12:
        raise ValueError(f"no name of {limit} characters can be told apart from others")
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: limit - 9].rstrip('-')}-{digest}"
