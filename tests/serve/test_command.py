"""The command: a process that serves over TLS, and what it says about a configuration."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from importlib.util import find_spec

import pytest
from click.testing import CliRunner

pytest.importorskip("uvicorn", reason="needs popheal[serve]")
pytest.importorskip("cryptography", reason="needs cryptography, which pypsrp brings")

from popheal.cli.app import popheal as command
from tests.support.certificates import signed_for
from tests.support.paths import ROOT

SECRET = "a-token-that-nobody-will-ever-guess"
EXCHANGE = """
[exchange]
servers = ["ex1.contoso.test"]
auth = "basic"
port = 1
username = "u"
password_env = "POPHEAL_TEST_PASSWORD"
[addresses]
"ex1.contoso.test" = "127.0.0.1"
[policy]
approval_from = "disrupt"
[journal]
path = "journal.db"
"""
TOKEN = """
[[serve.tokens]]
owner = "scom"
may = ["alert", "look"]
token_env = "POPHEAL_TOKEN_SCOM"
"""
ENVIRONMENT = {"POPHEAL_TEST_PASSWORD": "p", "POPHEAL_TOKEN_SCOM": SECRET}


def configured(folder, serve):
    path = folder / "popheal.toml"
    path.write_text(EXCHANGE + serve)
    return str(path)


@pytest.mark.slow
def test_it_serves_over_tls_until_it_is_told_to_end(tmp_path):
    """An alert about a server that can't be reached is answered; the token is told to nobody."""
    signed = signed_for("localhost", tmp_path)
    files = f'certificate = "{signed.certificate}"\ncertificate_key = "{signed.key}"\n'
    config = configured(tmp_path, f"[serve]\nport = 0\n{files}{TOKEN}")
    process = subprocess.Popen(
        [sys.executable, "-m", "popheal", "serve", "--config", config],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **ENVIRONMENT},
    )
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Listening at https://127.0.0.1:" in line:
                break
        port = int(said[-1].rpartition(":")[2])
        trusted = ssl.create_default_context(cafile=str(signed.authority))
        asked = http.client.HTTPSConnection("localhost", port, timeout=60, context=trusted)
        asked.request(
            "POST",
            "/alerts",
            json.dumps({"server": "ex1"}),
            {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"},
        )
        answer = asked.getresponse()
        assert answer.status == 202
        assert json.loads(answer.read())["answer"] == "could_not_look"
        asked.request("GET", "/metrics", headers={"Authorization": f"Bearer {SECRET}"})
        counted = asked.getresponse().read().decode()
        assert "popheal_" in counted if find_spec("prometheus_client") else "no metrics" in counted
        asked.close()
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    told = "".join(said) + rest
    assert "scom 127.0.0.1: POST /alerts: 202" in told
    assert told.endswith("Z the watch has ended\n")
    assert SECRET not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("serve", "environment", "said"),
    [
        ("", {}, "has no [serve] with a token"),
        ("[serve]\n", {}, "has no [serve] with a token"),
        (TOKEN, {"POPHEAL_TOKEN_SCOM": None}, "POPHEAL_TOKEN_SCOM, which is not set"),
        (TOKEN, {"POPHEAL_TOKEN_SCOM": "too-short"}, "has a token of scom that is too short"),
        (TOKEN, {"POPHEAL_TOKEN_SCOM": f"{SECRET} {SECRET}"}, "or has spaces in it"),
        (TOKEN + TOKEN.replace("scom", "ann"), {}, "a token of ann that is somebody else's, too"),
        (TOKEN.replace('"look"', '"all"'), {}, "a list of some of look, alert, decide"),
        (TOKEN.replace("token_env", "keyring = true\ntoken_env"), {}, "Give one of the two"),
        (TOKEN.replace("token_env", "token"), {}, "token"),
        (f'[serve]\nhost = "0.0.0.0"\n{TOKEN}', {}, "cross the network in clear text"),
        (f'[serve]\ncertificate = "no.pem"\n{TOKEN}', {}, "is 'no.pem', which is not a file"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_begun(tmp_path, serve, environment, said):
    given = {**ENVIRONMENT, **environment, "POPHEAL_CONFIG": None}
    config = configured(tmp_path, serve)
    result = CliRunner().invoke(command, ["serve", "--config", config], env=given)
    assert result.exit_code == 2
    assert said in result.stderr
    assert SECRET not in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "journal.db").exists()
