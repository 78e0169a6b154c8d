"""What AWS's API says when it refuses a call."""

from typing import final


@final
class ApiError(Exception):
    """An error of AWS's API, worded as the AWS SDK for Go words it, which is what Pulumi's provider prints.

    `status` is the HTTP status. The real text carries a request id too, which would make every message differ.
    """

    def __init__(self, service: str, operation: str, code: str, message: str, status: int = 400) -> None:
        super().__init__(
            f"operation error {service}: {operation}, https response error StatusCode: {status}, "
            f"api error {code}: {message}"
        )
        self.code = code
        self.message = message


@final
class CloudError(Exception):
    """A call that the stand-in cannot answer, or a provider configuration that it refuses."""
