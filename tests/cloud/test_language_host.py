"""The stand-in for `pulumi-language-python`."""

from tests.cloud.conftest import Trial


def test_a_program_runs_in_its_own_directory_with_its_own_modules_and_may_print(trial: Trial) -> None:
    (trial.harness.project / "beside.py").write_text("NAME = 'beside'\n", encoding="utf-8")
    trial.harness.write(
        "import os, pulumi\nimport beside\nprint('a word from the program')\n"
        "pulumi.export('all', [beside.NAME, os.getcwd(), __name__, pulumi.get_stack(), pulumi.Config().get('key')])\n"
    )
    trial.harness.pulumi("config", "set", "key", "value")
    up = trial.up()
    assert up.code == 0, up.output
    assert "a word from the program" in up.output
    expected = ["beside", str(trial.harness.project), "__main__", "dev", "value"]
    assert trial.harness.outputs("dev")["all"] == expected
    assert "warning" not in up.output


def test_a_run_error_is_reported_by_its_message_alone(trial: Trial) -> None:
    trial.harness.write("import pulumi\nraise pulumi.RunError('replicas is 0: set at least 1')\n")
    refused = trial.harness.pulumi("preview")
    assert refused.code != 0
    assert "error: replicas is 0: set at least 1" in refused.output
    assert "Traceback" not in refused.output
    assert refused.output.partition("Diagnostics:")[2].count("replicas is 0") == 1


def test_any_other_error_is_reported_with_a_trace_that_starts_in_the_program(trial: Trial) -> None:
    trial.harness.write("def wrong():\n    raise KeyError('missing')\n\n\nwrong()\n")
    refused = trial.harness.pulumi("preview")
    assert refused.code != 0
    assert "KeyError: 'missing'" in refused.output
    assert "line 2, in wrong" in refused.output
    assert "language_host.py" not in refused.output


def test_an_error_inside_an_apply_fails_the_update(trial: Trial) -> None:
    trial.harness.write("import pulumi\npulumi.Output.from_input(1).apply(lambda _: 1 / 0)\n")
    refused = trial.harness.pulumi("preview")
    assert refused.code != 0
    assert "ZeroDivisionError" in refused.output


def test_pulumi_about_names_the_interpreter(trial: Trial) -> None:
    about = trial.harness.pulumi("about")
    assert about.code == 0
    assert "This project is written in python" in about.output
