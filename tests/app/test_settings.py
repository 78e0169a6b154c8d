"""The variables of the environment are read once and strictly."""

import pytest

from smallcase.settings import Environment, Settings, SettingsError
from tests.app.conftest import DIGEST, VARIABLES

REQUIRED = [name for name in VARIABLES if name != "POD_NAME"]


def test_valid_variables_become_typed_settings() -> None:
    """Each variable arrives in its field; the port has a default."""
    settings = Settings.from_environment(VARIABLES)
    assert settings.environment is Environment.PRODUCTION
    assert (settings.branch, settings.version, settings.pod) == ("master", "blue-1a2b3c4", "smallcase-0")
    assert (str(settings.colour), settings.digest, settings.port) == ("#1f6feb", DIGEST, 8080)


def test_without_a_pod_name_the_host_name_stands_in() -> None:
    """POD_NAME is the only variable without which the rest is complete."""
    variables = {name: value for name, value in VARIABLES.items() if name != "POD_NAME"}
    assert Settings.from_environment(variables).pod


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_or_empty_variable_is_named_with_the_way_out(name: str, empty: bool) -> None:
    """The message names the variable and says what to set it to."""
    variables = {key: value for key, value in VARIABLES.items() if key != name} | ({name: ""} if empty else {})
    with pytest.raises(SettingsError, match=f"^{name} is not set: set it to "):
        Settings.from_environment(variables)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMALLCASE_ENVIRONMENT", "Production"),
        ("SMALLCASE_ENVIRONMENT", "blue"),
        ("SMALLCASE_BRANCH", "-f"),
        ("SMALLCASE_BRANCH", "a branch"),
        ("SMALLCASE_COLOUR", "blue"),
        ("SMALLCASE_VERSION", "1.0\n"),
        ("SMALLCASE_IMAGE", "registry.example/smallcase:latest"),
        ("SMALLCASE_IMAGE", f"@{DIGEST}"),
        ("SMALLCASE_IMAGE", f"registry.example/smallcase@{DIGEST}0"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "tcp://10.0.0.1:80"),
    ],
)
def test_a_malformed_variable_is_refused_with_its_value(name: str, value: str) -> None:
    """The message is one line that names the variable, the value and what is allowed."""
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment(VARIABLES | {name: value})
    message = str(refusal.value)
    assert message.startswith(f"{name} is {value!r}, which is not valid: set it to ")
    assert "\n" not in message


@pytest.mark.parametrize("image", [f"localhost:5077/smallcase@{DIGEST}", f"a.b/c/d:blue-1@{DIGEST}"])
def test_an_image_may_have_a_port_and_a_tag(image: str) -> None:
    """A digest reference is accepted in the forms that registries use."""
    assert Settings.from_environment(VARIABLES | {"SMALLCASE_IMAGE": image}).digest == DIGEST
