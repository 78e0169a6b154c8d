"""The plan that one build previews and applies: Pulumi's own file, which also says what it was made for."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from pipeline.outcomes import Refused, WrongUse

_OURS: Final = "smallcase"
"""A key that Pulumi passes over, so that the file stays good for `pulumi up --plan` by hand."""

ONLY_WHAT_WAS_SHOWN: Final = "The rule: only what was previewed at this commit is deployed, in the same build."


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a plan was made for."""

    stack: str
    commit: str

    def sign(self, path: Path) -> None:
        """Write into the plan what it was made for."""
        content = cast("dict[str, object]", json.loads(path.read_bytes()))
        temporary = path.with_name(f"{path.name}.new")
        temporary.write_text(
            json.dumps({**content, _OURS: {"stack": self.stack, "commit": self.commit}}), encoding="utf-8"
        )
        temporary.replace(path)

    def check(self, path: Path) -> None:
        """Let only a plan through that was made for this.

        Raises:
            Refused: it was made for another stack or commit.
            WrongUse: it is missing, or no plan.
        """
        way_out = f"Make one with `preview --save-plan {path}`."
        try:
            content: object = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise WrongUse(f"There is no plan {path}.", way_out) from None
        except (ValueError, OSError) as error:
            raise WrongUse(f"{path} is no plan: {error}", way_out) from None
        made_for = cast("dict[str, object]", content).get(_OURS) if isinstance(content, dict) else None
        if not isinstance(made_for, dict):
            raise WrongUse(f"{path} does not say which commit it was made for.", way_out)
        found = cast("dict[str, str]", made_for)
        for what, expected in (("stack", self.stack), ("commit", self.commit)):
            if found.get(what) != expected:
                raise Refused(
                    f"The plan {path} is of the {what} {found.get(what)}, not {expected}. {ONLY_WHAT_WAS_SHOWN}",
                    way_out,
                )


def place(given: Path) -> Path:
    """Where a plan goes, with one of an earlier run taken away: a preview that fails must not leave a plan.

    Raises:
        WrongUse: something is there that is no plan.
    """
    path = given.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not _is_plan(path):
        raise WrongUse(
            f"{path} is there and is no plan, so it is left as it is.", "Name another file, or remove this one."
        )
    path.unlink(missing_ok=True)
    return path


def _is_plan(path: Path) -> bool:
    """Whether it looks like Pulumi's own (`DeploymentPlanV1` in sdk/go/common/apitype/plan.go), signed or not."""
    try:
        content: object = json.loads(path.read_bytes())
    except (ValueError, OSError):
        return False
    return isinstance(content, dict) and "manifest" in content
