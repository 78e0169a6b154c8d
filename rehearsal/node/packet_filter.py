"""The packet rule that keeps the pods to this machine.

The CNI plugin makes the machine forward packets. Without the rule, whoever is in a network with it and sends it packets
for the pods' addresses reaches them past the load balancers.
"""

import subprocess
from pathlib import Path
from typing import Final

from rehearsal import places
from rehearsal.progress import RehearsalError

TABLE: Final = "inet smallcase-rehearsal"

# The first two lines empty the table whether it is there or not; all of it takes effect at once.
RULES: Final = f"""\
table {TABLE}
delete table {TABLE}
table {TABLE} {{
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname != "{places.BRIDGE}" oifname "{places.BRIDGE}" drop
        iifname "{places.BRIDGE}" oifname != "{places.BRIDGE}" drop
    }}
}}
"""


def close(nft: Path) -> None:
    """Let nothing be forwarded between the pods' bridge and another device. This machine itself reaches the pods.

    Raises:
        RehearsalError: the kernel does not take the rule.
    """
    done = subprocess.run([nft, "--file", "-"], input=RULES, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise RehearsalError(
            f"The packet rule that keeps the pods to this machine cannot be set: {done.stderr.strip()}",
            "The rehearsal needs the right to filter packets (CAP_NET_ADMIN) and the kernel's nf_tables.",
        )


def open_again(nft: Path) -> None:
    """Take the rule away, if it is there."""
    subprocess.run([nft, "delete", "table", *TABLE.split()], capture_output=True, check=False)
