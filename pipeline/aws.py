"""AWS's own command line, for the two questions that the verbs have of AWS."""

import subprocess
from collections.abc import Mapping


def run(*arguments: str, environment: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """What `aws` answers, whatever it is. It asks nobody anything.

    Parameters:
        environment: with the credentials.
        timeout: seconds.

    Raises:
        FileNotFoundError: it is missing.
        subprocess.TimeoutExpired: it did not answer in time.
    """
    return subprocess.run(
        ("aws", *arguments, "--output", "json"),
        env=dict(environment),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
