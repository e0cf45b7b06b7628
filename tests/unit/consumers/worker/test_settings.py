"""Settings: arguments and environment, and a clear word for everything wrong."""

from pathlib import Path

import pytest

from consumers.worker.settings import SettingsInvalid, read_settings

SECRET = "whsec_c2VjcmV0"
ENVIRONMENT = {"WORKER_URL": "http://server:8000/", "WORKER_ID": "w1", "WORKER_SECRET": SECRET}


def test_everything_may_come_from_the_environment() -> None:
    settings = read_settings([], {**ENVIRONMENT, "STATE_DIR": "/var/state", "LOG_LEVEL": "debug"})
    assert settings.url == "http://server:8000/"
    assert settings.worker_id == "w1"
    assert settings.credentials.secret == SECRET
    assert settings.state_dir == Path("/var/state/workers/w1")
    assert settings.log_level == "DEBUG"
    assert not settings.is_once


def test_arguments_win_over_the_environment() -> None:
    arguments = ["--url", "https://other", "--worker-id", "w2", "--once", "--amqp", "amqp://mq/"]
    settings = read_settings(arguments, ENVIRONMENT)
    assert (settings.url, settings.worker_id) == ("https://other", "w2")
    assert settings.amqp_url == "amqp://mq/"
    assert settings.is_once


def test_secrets_do_not_show_in_the_representation() -> None:
    shown = repr(read_settings([], {**ENVIRONMENT, "AMQP_URL": "amqp://user:hidden@mq/"}))
    assert SECRET not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"WORKER_URL": ""}, "WORKER_URL"),
        ({"WORKER_URL": "ftp://server"}, "--url"),
        ({"WORKER_URL": "http://"}, "--url"),
        ({"WORKER_URL": "http://[::1"}, "--url"),
        ({"WORKER_URL": "http://server:99999"}, "WORKER_SECRET"),
        ({"AMQP_URL": "http://mq"}, "--amqp"),
        ({"WORKER_ID": ""}, "WORKER_ID"),
        ({"WORKER_ID": ".."}, "WORKER_ID"),
        ({"WORKER_ID": "a/b"}, "WORKER_ID"),
        ({"WORKER_SECRET": ""}, "INTERNAL_API_TOKEN"),
        ({"WORKER_SECRET": "whsec_!"}, "WORKER_SECRET"),
        (
            {
                "WORKER_URL": "",
                "WORKER_SECRET": "",
                "INTERNAL_API_TOKEN": "t",
                "AMQP_URL": "amqp://mq",
            },
            "URL of the server",
        ),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, str], word: str) -> None:
    with pytest.raises(SettingsInvalid, match=word):
        read_settings([], {**ENVIRONMENT, **change})


@pytest.mark.parametrize(
    "arguments",
    [["--wait-seconds", "21"], ["--wait-seconds", "x"], ["--log-level", "loud"], ["--what"]],
)
def test_a_wrong_argument_ends_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(arguments, ENVIRONMENT)
    assert ended.value.code == 2
    assert arguments[0] in capsys.readouterr().err
