"""The programs that the rehearsal runs: found on this machine, fetched with their checksums, or built."""

from rehearsal.toolchain.pulumi_tools import PulumiTools, ensure_cli, ensure_pulumi
from rehearsal.toolchain.tools import RehearsalTools, ensure_rehearsal_tools

__all__ = ["PulumiTools", "RehearsalTools", "ensure_cli", "ensure_pulumi", "ensure_rehearsal_tools"]
