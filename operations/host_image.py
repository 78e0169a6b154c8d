"""The newest machine image for the Jenkins hosts. It is pinned: one that moved would replace them at the next `up`."""

from typing import Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.outcomes import Failed

PARAMETER: Final = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
"""https://docs.aws.amazon.com/linux/al2023/ug/ec2.html"""


def newest(region: str) -> str:
    """Id of the newest Amazon Linux 2023 image in a region.

    Raises:
        Failed: AWS does not say.
    """
    try:
        ssm = boto3.Session(region_name=region).client("ssm")  # pyright: ignore[reportUnknownMemberType]
        found = ssm.get_parameter(Name=PARAMETER)
    except (ClientError, BotoCoreError) as error:
        raise Failed(f"AWS does not name an image for {region}: {error}.") from None
    return found["Parameter"].get("Value", "")
