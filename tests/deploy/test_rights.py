"""The rights that the shipped scripts make are those of the table of users in operations.md."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from kafka.admin import ACLOperation, ResourceType

from tests.support.access_rights import shipped_rules
from tests.support.paths import ROOT

VERBS = {
    "reads": ACLOperation.READ,
    "writes": ACLOperation.WRITE,
    "describes": ACLOperation.DESCRIBE,
}
UNSEEN = {(ACLOperation.DESCRIBE, "__consumer_offsets")}  # no topic of ours


def table() -> dict[str, tuple[str, str]]:
    """Each user's rights in Kafka and in Redis, in the words of the page."""
    page = (ROOT / "docs/operations.md").read_text()
    (rows,) = re.findall(r"^\| user \| Kafka \| Redis \|\n.*?\n\n", page, re.M | re.S)
    return {
        user: (kafka, redis)
        for user, kafka, redis in re.findall(r"^\| (\w+) \| (.+?) \| (.+) \|$", rows, re.M)
        if user != "user"
    }


def topics_in(words: str) -> set[tuple[ACLOperation, str]]:
    return {
        (VERBS[verb], topic)
        for verb, list_ in re.findall(r"\b(reads|writes|describes) (`[^`]+`(?:, `[^`]+`)*)", words)
        for topic in re.findall(r"`([^`]+)`", list_)
    }


def test_each_user_has_in_kafka_the_topics_that_the_page_says(tmp_path: Path) -> None:
    rules = shipped_rules(tmp_path, "127.0.0.1:1", {})
    users = {user: topics_in(kafka) for user, (kafka, _) in table().items()}
    made = {
        (
            rule.principal.removeprefix("User:"),
            (rule.operation, rule.resource_pattern.resource_name),
        )
        for rule in rules
        if rule.resource_pattern.resource_type is ResourceType.TOPIC
        and rule.operation is not ACLOperation.DESCRIBE_CONFIGS
    }
    for user, topics in users.items():
        assert {topic for name, topic in made if name == user} - UNSEEN == topics, user
    assert {name for name, _ in made} == {user for user, topics in users.items() if topics}


def redis_cli(folder: Path, answer: str) -> dict[str, str]:
    """An environment whose `redis-cli` notes its arguments and gives an answer."""
    tool = folder / "redis-cli"
    tool.write_text(f'#!/bin/sh\ncat >/dev/null\necho "$5" >>{folder}/users\necho "{answer}"\n')
    tool.chmod(0o755)
    (folder / "password").write_text("s3cret\n")
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def make_users(environment: dict[str, str], **files: object) -> subprocess.CompletedProcess[str]:
    variables = {f"ACL_{user.upper()}_PASSWORD_FILE": str(file) for user, file in files.items()}
    return subprocess.run(
        [ROOT / "deploy/acl/redis.sh", "-x"], env=environment | variables,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def test_redis_has_the_users_that_the_page_says(tmp_path: Path) -> None:
    said = {user for user, (_, redis) in table().items() if not re.match("nothing|as ", redis)}
    made = make_users(redis_cli(tmp_path, "OK"), **dict.fromkeys(table(), tmp_path / "password"))
    assert made.returncode == 0, made.stderr
    assert set((tmp_path / "users").read_text().split()) == said
    assert set(made.stdout.split()) == {"OK", *(f"{user}:" for user in said)}


@pytest.mark.parametrize(
    ("answer", "content", "words"),
    [
        ("NOPERM no permissions", "s3cret\n", "streamer: the server says: NOPERM"),
        ("OK", "\n", "is empty"),
        ("OK", None, "No such file"),
    ],
)
def test_no_user_is_taken_for_made_who_is_not(
    tmp_path: Path, answer: str, content: str | None, words: str
) -> None:
    """A password that cannot be read makes no user without one."""
    environment = redis_cli(tmp_path, answer)
    file = tmp_path / "own"
    if content is not None:
        file.write_text(content)
    made = make_users(environment, streamer=file, viewer=tmp_path / "password")
    assert made.returncode == 1
    assert words in made.stderr
    asked = (tmp_path / "users").read_text().split() if (tmp_path / "users").exists() else []
    assert asked == (["streamer"] if answer != "OK" else [])
