"""Exports of votes: who may have them, of which polls, in parts, and without formulas."""

import csv
import io
import json

import pytest

from polls import csv_export
from polls.views import vote_log

FORMULA = '=HYPERLINK("http://evil.example","Click")'


@pytest.fixture
def named_poll(make_poll, vote, sql, olga, django_user_model):
    """A named poll with votes of a user, an invited person, a browser, and a user who was deleted."""
    poll = make_poll(options=4, named=True, max_choices=2, owner_id=olga.pk, title="<b>“Töa”</b>?")
    sql("UPDATE polls_option SET text = %s WHERE id = %s", FORMULA, poll.options[0])
    sql("UPDATE polls_option SET text = '<script>alert(1)</script>' WHERE id = %s", poll.options[1])
    user = django_user_model.objects.create_user("+ann@example.org")
    [(invite,)] = sql(
        "INSERT INTO polls_invite (poll_id, label, token_hash) VALUES (%s, '@Béa, 7\"b', 'x') RETURNING id", poll.id
    )
    vote(poll, f"user:{user.pk}", poll.options[1::-1])
    vote(poll, f"invite:{invite}", poll.options[2:3])
    vote(poll, "browser:J2XvQ", poll.options[3:])
    vote(poll, "user:999999", poll.options[3:])
    return poll


def test_log_as_csv(as_olga, named_poll, sql):
    response = as_olga.get(f"/polls/{named_poll.slug}/votes.csv")
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="{named_poll.slug}-votes.csv"'
    rows = list(csv.reader(io.StringIO(response.getvalue().decode(), newline="")))
    times = [time.isoformat() for (time,) in sql("SELECT cast_at FROM polls_vote ORDER BY id")]
    assert rows == [
        ["time", "voter", "choice 1", "choice 2"],
        [times[0], "'+ann@example.org", "<script>alert(1)</script>", f"'{FORMULA}"],
        [times[1], "'@Béa, 7\"b", "Option 3"],
        [times[2], "", "Option 4"],
        [times[3], "", "Option 4"],
    ]


def test_log_as_json(as_olga, named_poll):
    response = as_olga.get(f"/polls/{named_poll.slug}/votes.json")
    assert response["Content-Type"] == "application/json; charset=utf-8"
    log = json.loads(response.getvalue())
    assert (log["slug"], log["title"]) == (named_poll.slug, "<b>“Töa”</b>?")
    assert [vote["voter"] for vote in log["votes"]] == ["+ann@example.org", '@Béa, 7"b', "", ""]
    assert [choice["id"] for choice in log["votes"][0]["choices"]] == named_poll.options[1::-1]
    assert log["votes"][0]["choices"][1]["text"] == FORMULA


def test_log_without_votes_is_well_formed(client, olga, make_poll):
    poll = make_poll(named=True, owner_id=olga.pk)
    client.force_login(olga)
    assert json.loads(client.get(f"/polls/{poll.slug}/votes.json").getvalue())["votes"] == []
    assert client.get(f"/polls/{poll.slug}/votes.csv").getvalue() == b"time,voter,choice 1\r\n"


def test_staff_who_may_see_choices_read_the_log(staff_with, named_poll):
    assert staff_with("view_choices").get(f"/polls/{named_poll.slug}/votes.csv").status_code == 200
    assert staff_with("manage_poll", "view_results").get(f"/polls/{named_poll.slug}/votes.csv").status_code == 404


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_log_is_found_by_nobody_else(client, django_user_model, named_poll, kind):
    assert client.get(f"/polls/{named_poll.slug}/votes.{kind}").status_code == 404
    client.force_login(django_user_model.objects.create_user("stranger"))
    assert client.get(f"/polls/{named_poll.slug}/votes.{kind}").status_code == 404


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_poll_without_owner_is_nobodys(client, django_user_model, make_poll, kind):
    client.force_login(django_user_model.objects.create_user("stranger"))
    assert client.get(f"/polls/{make_poll(named=True).slug}/votes.{kind}").status_code == 404
    assert client.get(f"/polls/nowhere/votes.{kind}").status_code == 404


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_anonymous_poll_has_no_log_even_for_its_owner(client, olga, make_poll, vote, conn, kind):
    poll = make_poll(owner_id=olga.pk)
    vote(poll, "secret-key", poll.options[:1])
    client.force_login(olga)
    response = client.get(f"/polls/{poll.slug}/votes.{kind}")
    assert response.status_code == 403
    assert b"secret-key" not in response.content
    # The data layer returns none either.
    assert vote_log.queries.list_votes(conn, poll.id, limit=10) == []


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("votes", [1, 2, 3, 4, 5])
def test_log_is_read_in_parts_and_holds_no_connection_between_them(
    client, olga, make_poll, vote, pool, monkeypatch, kind, votes
):
    monkeypatch.setattr(vote_log, "VOTES_A_READ", 2)
    poll = make_poll(named=True, owner_id=olga.pk)
    for number in range(votes):
        vote(poll, f"browser:{number}", poll.options[:1])
    client.force_login(olga)
    parts = []
    for part in client.get(f"/polls/{poll.slug}/votes.{kind}").streaming_content:
        parts.append(part)
        stats = pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"]
    content = b"".join(parts)
    if kind == "json":
        assert len(parts) == 2 + (votes + 1) // 2
        assert len(json.loads(content)["votes"]) == votes
    else:
        assert content.count(b"\r\n") == 1 + votes


def test_head_reads_no_votes(as_olga, named_poll):
    response = as_olga.head(f"/polls/{named_poll.slug}/votes.csv")
    assert response.status_code == 200
    assert response.getvalue() == b""


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_log_is_only_read(as_olga, named_poll, method):
    assert getattr(as_olga, method)(f"/polls/{named_poll.slug}/votes.csv").status_code == 405


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "|calc",
        "%0A",
        " =1",
        "\t=1",
        "\n=1",
        "\r=1",
        "\tharmless but for some",
        "\u200b=1",
        "\ufeff=1",
        "\u00a0=1",
        "\u202e=1",
        "\N{FULLWIDTH EQUALS SIGN}1+1",
        "\N{FULLWIDTH PLUS SIGN}1",
        "\N{FULLWIDTH HYPHEN-MINUS}1",
        "\N{FULLWIDTH COMMERCIAL AT}x",
    ],
)
def test_formula_is_a_text(text):
    assert csv_export.cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Tea", "a=b", "'quoted", "5 %", "é", "🙂", "x\n=1"])
def test_text_stays_as_it_is(text):
    assert csv_export.cell(text) == text


def test_headings_are_made_safe_like_all_rows():
    parts = list(csv_export.csv_parts([["=A1", "b"], [1, -2], ["x,y", 'say "hi"']], rows_a_part=2))
    assert parts == [b"'=A1,b\r\n1,-2\r\n", b'"x,y","say ""hi"""\r\n']


def test_table_without_rows_is_empty():
    assert list(csv_export.csv_parts([])) == []
