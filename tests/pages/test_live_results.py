"""Live results: the part that refreshes, its ETag, and the views for walls and for frames of other sites."""

import pytest
from django.test import Client
from django.utils.html import escape

from tests.support.responses import ask, text_of

VIEWS = ["results", "wall", "embed"]


def live(client, poll, view, etag=None):
    return client.get(f"/polls/{poll.slug}/{view}/?live", headers={"If-None-Match": etag} if etag else {})


@pytest.mark.parametrize("view", VIEWS)
def test_unchanged_results_are_an_empty_304(client, make_poll, vote, view):
    poll = make_poll()
    etag = live(client, poll, view)["ETag"]
    unchanged = live(client, poll, view, etag)
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", etag)
    vote(poll, "ann", poll.options[:1])
    changed = live(client, poll, view, etag)
    assert changed.status_code == 200
    assert changed["ETag"] != etag
    assert "is ahead" in text_of(changed)


def test_page_holds_the_live_part_and_its_etag(client, make_poll):
    poll = make_poll()
    part = live(client, poll, "results")
    assert part.content.decode() in ask(client, poll, "results").content.decode()
    assert f'data-etag="{escape(part["ETag"])}"' in text_of(part)


def test_closing_changes_the_etag_and_ends_the_refreshing(client, make_poll, sql):
    poll = make_poll()
    etag = live(client, poll, "results")["ETag"]
    sql("UPDATE polls_poll SET closes_at = now()")
    part = live(client, poll, "results", etag)
    assert part.status_code == 200
    assert "data-etag" not in text_of(part)
    assert "<script" not in text_of(ask(client, poll, "results"))


def test_live_part_is_of_one_language_and_one_page_and_of_no_viewer(client, make_poll):
    poll = make_poll()
    etags = {live(client, poll, view)["ETag"] for view in VIEWS}
    etags.add(client.get(f"/polls/{poll.slug}/results/?live", headers={"Accept-Language": "de"})["ETag"])
    assert len(etags) == 4
    client.get(f"/polls/{poll.slug}/")
    client.post(f"/polls/{poll.slug}/", {"choices": poll.options[0]})
    parts = [live(each, poll, "results") for each in (client, Client())]
    assert "You voted for" in text_of(ask(client, poll, "results"))
    assert len({(part["ETag"], part.content) for part in parts}) == 1


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("results", ["voted", "closed", "owner"])
def test_hidden_votes_change_nothing_that_can_be_seen(client, make_poll, vote, view, results):
    poll = make_poll(results=results)
    before = [ask(client, poll, view), live(client, poll, view)]
    for number in range(12):
        vote(poll, f"voter-{number}", poll.options[:1])
    after = [ask(client, poll, view), live(client, poll, view)]
    assert [answer.content for answer in after] == [answer.content for answer in before]
    assert live(client, poll, view, before[1]["ETag"]).status_code == 304
    for answer in after:
        assert "<table" not in text_of(answer)
        assert 'class="bar"' not in text_of(answer)


@pytest.mark.parametrize("view", ["wall", "embed"])
def test_public_views_show_what_everybody_may_see_even_to_the_owner(client, make_poll, vote, django_user_model, view):
    owner = django_user_model.objects.create_user("owner")
    poll = make_poll(results="owner", owner_id=owner.pk)
    vote(poll, "ann", poll.options[:1])
    client.force_login(owner)
    assert "The results are shown to the owner" in text_of(ask(client, poll, view))


@pytest.mark.parametrize("view", [*VIEWS, "qr.svg"])
def test_drafts_and_unknown_polls_are_not_found(client, make_poll, view):
    poll = make_poll(opens_in=None)
    if view == "qr.svg":  # it encodes any address, and so tells nothing of which exist
        assert {client.get(f"/polls/{slug}/qr.svg").status_code for slug in (poll.slug, "nowhere")} == {200}
    else:
        assert {client.get(f"/polls/{slug}/{view}/").status_code for slug in (poll.slug, "nowhere")} == {404}


def test_only_the_embedded_view_may_be_framed_and_it_sets_no_cookie(make_poll):
    poll, client = make_poll(), Client()
    response = ask(client, poll, "embed")
    assert "frame-ancestors *" in response["Content-Security-Policy"]
    assert "X-Frame-Options" not in response
    assert not client.cookies
    assert "Cookie" not in response["Vary"]
    for path in (f"/polls/{poll.slug}/", f"/polls/{poll.slug}/results/", f"/polls/{poll.slug}/wall/", "/"):
        other = client.get(path)
        assert "frame-ancestors 'none'" in other["Content-Security-Policy"]
        assert other["X-Frame-Options"] == "DENY"
