"""The program, as a table of contents: settings → platform, or a reference to one → environment → outputs."""

from pathlib import Path

import pulumi

from infra import account, contract, settings, tenants
from infra.environment import Environment, EnvironmentArgs
from infra.settings import PROJECT

project = Path(__file__).absolute().parent  # Holds the stack files, and may only link to the program.
root = Path(__file__).resolve().parent
configured = settings.load()
aws = account.connect(configured)

if configured.platform is not None:
    from infra.platform import Platform, PlatformArgs  # Only its owner pays for importing it.

    owned = Platform(
        "platform",
        PlatformArgs(
            stack=configured.stack,
            region=configured.region,
            account_id=aws.id,
            settings=configured.platform,
            tenants=tenants.on(configured.stack, project),
        ),
        pulumi.ResourceOptions(providers=[aws.provider]),
    )
    platform = owned.contract
    pulumi.export(contract.OUTPUT, platform.outputs())
    pulumi.export("roles", owned.roles)
    pulumi.export("jenkins", owned.jenkins.access)
else:
    platform = contract.refer_to(configured.platform_stack)

if configured.github is not None:
    from infra.branch_rules import BranchRules

    BranchRules("branch-rules", configured.github, root)

if configured.environment is not None:
    environment = Environment(
        PROJECT,
        EnvironmentArgs(
            stack=configured.stack,
            settings=configured.environment,
            platform=platform,
            root=root,
        ),
        pulumi.ResourceOptions(providers=[aws.provider]),
    )
    pulumi.export("url", environment.ingress.url)
    pulumi.export("namespace", environment.namespace.name)
    pulumi.export("image", environment.image.reference)
    pulumi.export("commit", environment.image.commit)
    pulumi.export("environment", configured.environment.branch.purpose)
    pulumi.export("branch", configured.environment.branch.name)
