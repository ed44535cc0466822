"""`notify:` of migrator.yaml: what it means, and how its mistakes are told."""

import json
import re
from pathlib import Path

import pytest

from migrator import workspace
from migrator.model.notice import COUNTS, EVENTS, FIELDS
from migrator.workspace.notify import MailEntry, WebhookEntry
from migrator.workspace.templates import check
from tests.unit.workspace_files import CONFIG, make, place_of, problems

HOOK = 'notify:\n  - {kind: webhook, url: "env:HOOK", events: [stopped], template: "{{ wave }} is {{ state }}"}\n'
MAIL = (
    "notify:\n  - {kind: mail, smtp: {host: mx.example.co.jp}, from: It@example.co.jp, to: [a@example.co.jp], "
    'language: ja, subject: "{{ says }}", body: "file:body.txt"}\n'
)


def told(directory, section):
    """What is wrong with `section`; the place of its § is shown as §."""
    found = problems(make(directory, CONFIG + section.replace("§", "")))
    return [line.replace(f"migrator.yaml:{place_of(CONFIG + section)}:", "§") for line in found]


def test_a_webhook_and_a_mail_have_their_values_and_the_defaults(tmp_path):
    (tmp_path / "body.txt").write_text("{% if error %}\n止まりました: {{ error }}\n{% endif %}\n", encoding="utf-8")
    loaded = workspace.load(make(tmp_path, CONFIG + HOOK + MAIL.partition("\n")[2]))
    hook, mail = loaded.config.notify
    assert isinstance(hook, WebhookEntry) and isinstance(mail, MailEntry)
    assert (str(hook.url), hook.language) == ("env:HOOK", "en")
    assert [hook.wants(event) for event in ("stopped", "synced", "test")] == [True, False, True]
    assert all(mail.wants(event) for event in EVENTS)
    assert (mail.sender, mail.to, mail.smtp.port) == ("it@example.co.jp", ("a@example.co.jp",), 25)
    assert mail.body is not None and "止まりました" in mail.body.text
    assert any("HOOK" in str(reference) for reference in loaded.mentions)


@pytest.mark.parametrize(
    ("section", "text"),
    [
        (HOOK.replace("[stopped]", "[stopped, §frezing]"), "§ unknown event `frezing`; did you mean `freezing`?"),
        (HOOK.replace("[stopped]", "[§planned]"), "§ unknown event `planned`"),
        (HOOK.replace("url:", "§urll:"), "§ unknown key `urll`; did you mean `url`?"),
        (HOOK.replace('"{{ wave }}', '§"{{ wav }}'), "§ line 1: unknown name `wav`; did you mean `wave`?"),
        (HOOK.replace('"{{ wave }}', '§"{{ counts.copid }}'), "§ line 1: unknown name `counts.copid`; did you mean"),
        (HOOK.replace('"{{ wave }}', '§"{{ wave }'), "§ line 1: unexpected '}'"),
        (HOOK.replace('"{{ wave }}', '§"{{ wave | uper }}'), "§ line 1: No filter named 'uper'"),
        (HOOK.replace('"{{ wave }}', '§"{{ at.year.nothing }}'), "§ cannot be filled in"),
        (HOOK.replace('"{{ wave }}', "§\"{{ ''.__class__.mro() }}"), "§ cannot be filled in"),
        (HOOK.replace('"{{ wave }}', "§\"{% include 'passwd' %}"), "§ cannot be filled in"),
        (HOOK.replace('"env:HOOK"', '§"ftp://x/T0P"'), "§ neither a URL (https://...) nor a reference"),
        (HOOK.replace('"env:HOOK"', '§"https://u:T0P@x/"'), "§ a user name or password in the URL"),
        (HOOK.replace('"env:HOOK"', '§"https:///T0P"'), "§ not a URL"),
        (
            HOOK.replace("kind: webhook", "§kind: hook").replace("{§kind", "§{kind"),
            "§ `kind` must be 'webhook', 'mail'",
        ),
        (
            MAIL.replace("body.txt", "nothing.txt").replace('"file', '§"file'),
            "§ the template nothing.txt cannot be read",
        ),
        (MAIL.replace("[a@example.co.jp]", "§[]"), "§ must not be empty"),
        (MAIL.replace("It@example.co.jp", "§nobody"), "§ not a mail address"),
        (MAIL.replace("language: ja", "language: §fr"), "§ must be 'en' or 'ja'"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_no_secret(tmp_path, section, text):
    found = told(tmp_path, section)
    assert [line for line in found if line.startswith(text)] != [], found
    assert "T0P" not in "".join(found)


def test_a_mistake_in_a_template_s_file_is_told_with_its_line(tmp_path):
    (tmp_path / "body.txt").write_text("one\n{{ stat }}\n")
    [line] = told(tmp_path, MAIL.replace('"file', '§"file'))
    assert line == "§ body.txt: line 2: unknown name `stat`; did you mean `state`?"


def test_every_field_can_be_used_and_names_of_a_template_s_own(tmp_path):
    everything = " ".join(f"{{{{ {name} }}}}" for name in FIELDS)
    assert list(check(everything + "{% set own = 1 %}{{ own }}{% for c in counts %}{{ c }}{% endfor %}")) == []
    assert list(check("{% if event == 'alarm' %}{{ at.nothing }}{% endif %}")) != []


def test_what_a_new_workspace_and_the_page_on_notifications_show_is_valid(tmp_path):
    (tmp_path / "notices").mkdir()
    (tmp_path / "notices" / "body.txt").write_text("{{ says }}")
    example = workspace.scaffold.CONFIG.partition("# notify:\n")[2].partition("\n\n")[0].replace("# ", "  ")
    assert len(workspace.load(make(tmp_path, f"{CONFIG}notify:\n{example}\n")).config.notify) == 2
    page = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
    example = page.partition("    notify:\n")[2].partition("\n\n")[0]
    hook, mail = workspace.load(make(tmp_path, f"{CONFIG}notify:\n{example}\n")).config.notify
    assert isinstance(hook, WebhookEntry) and isinstance(mail, MailEntry)
    rows = set(re.findall(r"`([a-z-]+)`", page.partition("## Events")[2].partition("## What is sent")[0]))
    assert {*EVENTS, *FIELDS, *COUNTS} <= rows
    for key, text in re.findall(r"^    (template|body): (\".*\")$", page, re.MULTILINE):
        entry = {"template": hook, "body": mail}[key].model_dump(by_alias=True, mode="json") | {key: json.loads(text)}
        workspace.load(make(tmp_path, f"{CONFIG}notify: {json.dumps([entry])}\n"))
