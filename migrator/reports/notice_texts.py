"""What a notice says where the operator has not written a template: English and Japanese."""

from collections.abc import Mapping

from migrator.model.notice import ALARM, STOPPED, TEST, Language
from migrator.model.wave import WaveState as S

_ENGLISH: Mapping[str, str] = {
    S.SYNCING: "its mailboxes are being copied; people go on working on the old server",
    S.SYNCED: "in step: the new server has what the old one has; mail goes to the old server",
    S.CUTOVER_READY: "all gates are open; the cutover may begin",
    S.FREEZING: "the cutover has begun: new mail is being held back",
    S.DRAINING: "new mail is held back; what is on its way to the old server is waited for",
    S.FINAL_PASS: "the last mail is being copied; new mail is held back",
    S.FLIPPING: "the routes are being switched to the new server",
    S.RELEASING: "the routes are switched; held mail goes to the new server",
    S.VERIFYING: "test messages are to prove that mail arrives on the new server, and only there",
    S.CATCHING_UP: "delivery is proven; late mail is being carried over",
    S.COMPLETED: "completed: its mail is on the new server",
    S.THAWING: "the cutover was called off before the switch; held mail goes to the old server",
    S.ROLLING_BACK: "it is being taken back to the old server",
    S.REVERSE_PASS: "new mail is being carried back to the old server",
    S.FLIPPING_BACK: "the routes are being switched back to the old server",
    S.RELEASING_BACK: "the routes are switched back; held mail goes to the old server",
    S.VERIFYING_BACK: "test messages are to prove that mail arrives on the old server, and only there",
    S.ROLLED_BACK: "rolled back: its mail is on the old server",
    STOPPED: "STOPPED, somebody must look",
    ALARM: "ALARM, somebody must look",
    TEST: "a test: notices of this migration come this way",
}
_JAPANESE: Mapping[str, str] = {
    S.SYNCING: "メールボックスを同期しています（旧サーバーはそのまま使えます）",
    S.SYNCED: "同期が済み、新旧サーバーの内容がそろいました（メールは旧サーバーに届きます）",
    S.CUTOVER_READY: "切替の条件がすべて満たされました",
    S.FREEZING: "切替を開始しました。新着メールの配送を保留しています",
    S.DRAINING: "新着メールを保留し、旧サーバーへ配送中のメールを待っています",
    S.FINAL_PASS: "新着メールを保留したまま、最後の差分を同期しています",
    S.FLIPPING: "配送先を新サーバーへ切り替えています",
    S.RELEASING: "配送先を切り替えました。保留していたメールを新サーバーへ配送しています",
    S.VERIFYING: "テストメールで、新サーバーにだけ届くことを確認しています",
    S.CATCHING_UP: "新サーバーへの配送を確認しました。遅れて届いたメールを移しています",
    S.COMPLETED: "移行が完了しました。メールは新サーバーにあります",
    S.THAWING: "切替を中止しました。保留していたメールは旧サーバーに届きます",
    S.ROLLING_BACK: "切り戻しを開始しました",
    S.REVERSE_PASS: "新しいメールを旧サーバーへ移しています",
    S.FLIPPING_BACK: "配送先を旧サーバーへ戻しています",
    S.RELEASING_BACK: "配送先を戻しました。保留していたメールを旧サーバーへ配送しています",
    S.VERIFYING_BACK: "テストメールで、旧サーバーにだけ届くことを確認しています",
    S.ROLLED_BACK: "切り戻しが完了しました。メールは旧サーバーにあります",
    STOPPED: "停止しました。確認が必要です",
    ALARM: "警報です。確認が必要です",
    TEST: "テスト通知です。この移行の通知はここに届きます",
}
_SAYS: Mapping[Language, Mapping[str, str]] = {"en": _ENGLISH, "ja": _JAPANESE}

TEXT: Mapping[Language, str] = {
    "en": """\
Wave {{ wave }}: {{ says }} ({{ at.strftime("%H:%M") }})
{% if error %}
What happened: {{ error }}
{% elif why and why != "done" %}
Why: {{ why }}
{% endif %}
{% if remedy %}
What to do: {{ remedy }}
{% endif %}
""",
    "ja": """\
移行ウェーブ {{ wave }}: {{ says }} ({{ at.strftime("%H:%M") }})
{% if error %}
内容: {{ error }}
{% elif why and why != "done" %}
理由: {{ why }}
{% endif %}
{% if remedy %}
対処: {{ remedy }}
{% endif %}
""",
}
SUBJECT: Mapping[Language, str] = {
    "en": "[migrator] wave {{ wave }}: {{ says }}",
    "ja": "[migrator] 移行ウェーブ {{ wave }}: {{ says }}",
}
BODY: Mapping[Language, str] = {
    "en": """\
Wave {{ wave }}: {{ says }}.

{% if error %}
What happened:
{{ error }}

{% endif %}
{% if remedy %}
What to do:
{{ remedy }}

{% endif %}
State:      {{ state }}{{ " (before: " + was + ")" if was != state else "" }}
{% if why and why != "done" %}
Why:        {{ why }}
{% endif %}
Time:       {{ at }}
Mailboxes:  {{ counts.mailboxes }}
Messages:   {{ counts.copied }} copied, {{ counts.present }} there already, \
{{ counts.skipped }} left out, {{ counts.failed }} failed
Run by:     {{ by }}
Command:    {{ command }}

`migrator wave status {{ wave }}` says where it stands now.
""",
    "ja": """\
移行ウェーブ {{ wave }}: {{ says }}。

{% if error %}
内容:
{{ error }}

{% endif %}
{% if remedy %}
対処:
{{ remedy }}

{% endif %}
状態: {{ state }}{{ " (直前: " + was + ")" if was != state else "" }}
{% if why and why != "done" %}
理由: {{ why }}
{% endif %}
日時: {{ at }}
メールボックス: {{ counts.mailboxes }}
メッセージ: 移行 {{ counts.copied }}、移行先に既存 {{ counts.present }}、\
対象外 {{ counts.skipped }}、失敗 {{ counts.failed }}
実行者: {{ by }}
コマンド: {{ command }}

現在の状態は `migrator wave status {{ wave }}` で確認できます。
""",
}


def says(event: str, language: Language) -> str:
    """What `event` means, in a few words; the event itself where there are none."""
    return _SAYS[language].get(event, event)
