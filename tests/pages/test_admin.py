"""The admin: making, opening and closing polls, within the promises of the database."""

import re
import threading

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client

from polls import queries
from polls.admin.polls import POLL_STATE
from polls.models import Event, Option, Poll, Vote
from tests.support.owners import EVERYTHING, allow
from tests.support.poll_forms import filled, guarded, poll_form
from tests.support.servers import wait_until
from tests.support.voters import keys_of


@pytest.fixture
def admin(admin_client):
    return admin_client


def test_poll_is_made_with_its_options_and_an_address_of_its_own(admin, client, transactional_db):
    response = admin.post("/admin/polls/poll/add/", poll_form(("Yes", "No", "Perhaps")))
    assert response.status_code == 302
    poll = Poll.objects.get()
    assert poll.slug.startswith("tea-")
    assert [option.text for option in poll.options.all()] == ["Yes", "No", "Perhaps"]
    assert client.get(poll.get_absolute_url()).status_code == 200


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": ""}, "This field is required."),
        ({"min_choices": 3, "max_choices": 2}, "The fewest choices are at least 1, and no more than the most."),
        ({"closes_at_0": "2025-01-01", "closes_at_1": "12:00"}, "A poll closes after it has opened."),
        ({"title": "x" * 201}, "Ensure this value has at most 200 characters"),
        ({"options": ("Yes", "Yes")}, "Please correct the duplicate data"),
    ],
)
def test_bad_poll_comes_back_with_an_error(admin, transactional_db, fields, says):
    response = admin.post("/admin/polls/poll/add/", poll_form(**fields))
    assert response.status_code == 200
    assert says in response.content.decode()
    assert not Poll.objects.exists()


def test_polls_are_listed_with_their_state(admin, make_poll):
    make_poll(opens_in=None)
    make_poll(opens_in="-2 hours", closes_in="-1 hour")
    page = admin.get("/admin/polls/poll/").content.decode()
    for state in ("draft", "closed"):
        assert f'<td class="field-state">{state}</td>' in page


def act(admin, action, *polls):
    return admin.post(
        "/admin/polls/poll/", {"action": action, "_selected_action": [poll.id for poll in polls]}, follow=True
    ).content.decode()


def states():
    return dict(Poll.objects.annotate(state=POLL_STATE).values_list("pk", "state"))


def test_drafts_with_options_are_opened(admin, make_poll):
    ready, empty = make_poll(opens_in=None), make_poll(options=0, opens_in=None)
    page = act(admin, "open_now", ready, empty)
    assert "1 of 2 polls opened. Only drafts and scheduled polls that have options can be opened." in page
    assert states() == {ready.id: "open", empty.id: "draft"}


def test_open_polls_are_closed(admin, make_poll, vote, refused):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    assert "1 of 1 polls closed." in act(admin, "close_now", poll)
    with refused("polls_vote_while_open"):
        vote(poll, "bob", poll.options[:1])


def test_polls_are_archived(admin, make_poll):
    poll = make_poll()
    act(admin, "archive", poll)
    assert states() == {poll.id: "archived"}


def test_poll_with_votes_shows_its_rules_and_options_read_only(admin, make_poll, vote):
    poll = make_poll()
    address = f"/admin/polls/poll/{poll.id}/change/"
    assert 'name="max_choices"' in admin.get(address).content.decode()
    vote(poll, "ann", poll.options[:1])
    page = admin.get(address).content.decode()
    assert 'name="max_choices"' not in page
    assert "Option 1" in page
    assert 'name="options-0-text"' not in page
    assert "deletelink" not in page.replace("icon-deletelink", "")


def test_first_vote_during_the_editing_of_a_poll_wins(admin, make_poll, vote, monkeypatch):
    """The form is rendered before the vote, and sent after it."""
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    monkeypatch.setattr("polls.admin.polls._has_votes", lambda poll: False)
    response = admin.post(
        f"/admin/polls/poll/{poll.id}/change/",
        poll_form((), kept=Option.objects.all(), title="Poll 1", max_choices=2, opens_at_0="2025-01-01"),
        follow=True,
    )
    assert "Nothing was saved. The rules of a poll are frozen from its first vote on." in response.content.decode()
    assert Poll.objects.get().max_choices == 1


def test_poll_with_votes_cannot_be_deleted_from_the_list(admin, make_poll, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    admin.post("/admin/polls/poll/", {"action": "delete_selected", "_selected_action": [poll.id], "post": "yes"})
    assert Poll.objects.exists()


def test_typo_is_corrected_after_the_first_vote(admin, make_poll, vote, sql):
    poll = make_poll(title="Tee?")
    vote(poll, "ann", poll.options[:1])
    correction = {"corrections-TOTAL_FORMS": 1, "corrections-0-field": "title", "corrections-0-after": "Tea?"}
    address = f"/admin/polls/poll/{poll.id}/change/"
    assert admin.post(address, poll_form((), **correction, **{"corrections-0-reason": "typo"})).status_code == 302
    assert Poll.objects.get().title == "Tea?"
    assert sql("SELECT actor, details->'title' FROM polls_event WHERE action = 'poll changed'") == [
        ("user admin", ["Tee?", "Tea?"])
    ]


def test_bad_correction_is_refused_in_words(admin, make_poll, vote):
    poll = make_poll()
    vote(poll, "ann", poll.options[:1])
    correction = {
        "corrections-TOTAL_FORMS": 1,
        "corrections-0-field": "option",
        "corrections-0-option": poll.options[0],
        "corrections-0-after": "Option 2",
        "corrections-0-reason": "a mistake",
    }
    response = admin.post(f"/admin/polls/poll/{poll.id}/change/", poll_form((), **correction), follow=True)
    assert "Nothing was saved." in response.content.decode()


def test_trail_can_be_read_and_not_written(admin, make_poll, sql):
    make_poll()
    page = admin.get("/admin/polls/event/").content.decode()
    assert "poll added" in page
    assert admin.get("/admin/polls/event/add/").status_code == 403


def test_deletion_waits_for_the_votes_under_way_and_then_deletes_nothing(
    admin, make_poll, sql, connections_to_test_database
):
    poll = make_poll(3)
    answers = []

    def delete():
        answers.append(admin.post(f"/admin/polls/poll/{poll.id}/delete/", {"post": "yes"}, follow=True))
        connection.close()

    voting = connections_to_test_database()
    voting.autocommit = False
    queries.cast_vote(voting, poll.slug, poll.options[:1], browser=keys_of("a"))
    deleting = threading.Thread(target=delete)
    deleting.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_until(lambda: sql(waiting) == [(1,)])
    for number, option in enumerate(poll.options):
        queries.cast_vote(voting, poll.slug, [option], browser=keys_of(str(number)))
    voting.commit()
    deleting.join(timeout=20)
    assert "Nothing was deleted: the first vote came in meanwhile." in answers[0].content.decode()
    assert sql("SELECT count(*) FROM polls_vote") == [(4,)]


VOTE_LOOKUPS = (
    *("choices__contains={ids}", "choices__0=1", "choices__len=1"),
    *("voter=ann", "voter__regex=.", "voter__startswith=a"),
    *("cast_at__gt=2020-01-01", "cast_at__minute=5", "cast_at__range=2020-01-01,2030-01-01", "cast_at=2026-01-01"),
    *("id__gt=0", "pk__in=1", "poll__results=owner", "poll__votes__choices__contains={ids}", "poll__votes__voter=ann"),
    *("poll__title=x", "poll__owner__password__startswith=p", "poll__options__text=x", "nonsense=1"),
)
POLL_LOOKUPS = (
    *("votes__choices__contains={ids}", "votes__choices__0=1", "votes__voter=ann", "votes__voter__regex=."),
    *("votes__cast_at__gt=2020-01-01", "votes__id__gt=0", "votes__pk__gt=0", "votes=1", "votes__in=1,2"),
    *("votes__isnull=False", "votes__poll__votes__voter=ann", "draws__winner__startswith=a", "draws__number=1"),
    *("invites__token_hash__startswith=a", "invites__label=Ann", "events__details__entries__1=5", "options__text=x"),
)
EVENT_LOOKUPS = (
    *("details__contains={{}}", "details__entries__1=5", "details__has_key=entries", "poll__votes__voter=ann"),
    *("poll__votes__choices__contains={ids}", "poll__votes__id__gt=0", "poll__results=owner"),
)
USER_LOOKUPS = ("poll__votes__voter=ann", "poll__votes__choices__contains={ids}", "poll__votes__id__gt=0")


@pytest.mark.parametrize(
    ("page", "lookup"),
    [
        *(("polls/vote", lookup) for lookup in VOTE_LOOKUPS),
        *(("polls/poll", lookup) for lookup in POLL_LOOKUPS),
        *(("polls/event", lookup) for lookup in EVENT_LOOKUPS),
        *(("auth/user", lookup) for lookup in USER_LOOKUPS),
    ],
)
def test_no_address_of_the_admin_asks_about_votes(admin, make_poll, vote, page, lookup):
    """A filter that matches or does not is an answer: `?choices__contains={27}` counts, `?voter=` names."""
    poll = make_poll(results="owner")
    vote(poll, "ann", poll.options[:1])
    lookup = lookup.format(ids=f"%7B{poll.options[0]}%7D")
    assert admin.get(f"/admin/{page}/?{lookup}").status_code == 400
    assert admin.get(f"/admin/{page}/?_popup=1&_facets=True&{lookup}").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "polls/poll/?listed__exact=1&results__exact=owner&_facets=True&q=Poll&o=-2.1",
        "polls/poll/?results__exact=closed&_popup=1",
        "polls/event/?action=poll+added&at__gte=2020-01-01+00:00:00%2B00:00&_facets=True",
        "polls/event/?poll__id__exact=1",
        "polls/vote/?poll__id__exact=1",
    ],
)
def test_filters_that_lists_offer_still_work(admin, make_poll, path):
    make_poll()
    assert admin.get(f"/admin/{path}").status_code == 200


@pytest.mark.parametrize("to_field", ["voter", "choices", "cast_at", "poll"])
def test_no_vote_is_looked_up_by_what_it_holds(admin, make_poll, vote, to_field):
    poll = make_poll(named=True)
    vote(poll, "ann", poll.options[:1])
    for path in ("/admin/polls/vote/", "/admin/polls/vote/ann/change/"):
        assert admin.get(f"{path}?_to_field={to_field}").status_code == 400


@pytest.mark.parametrize("order", ["0", "1", "-1", "2", "-2", "3", "2.1", "choices", "99"])
def test_votes_cannot_be_ordered_by_what_they_hold(admin, make_poll, vote, order):
    for title in ("B", "A"):
        poll = make_poll(named=True, title=title)
        vote(poll, "zoe", poll.options[1:2])
        vote(poll, "ann", poll.options[:1])
    page = admin.get(f"/admin/polls/vote/?o={order}").content.decode()
    votes = [int(vote_id) for vote_id in re.findall(r"/admin/polls/vote/(\d+)/", page)]
    assert (len(votes), votes) == (4, sorted(votes, reverse=True))


def test_anonymous_votes_are_nowhere_in_the_admin(admin, make_poll, vote, sql):
    """Not even their poll: their ids stand between those of votes whose times are known."""
    poll = make_poll(title="Secret ballot")
    vote(poll, "the-key-of-ann", poll.options[:1])
    [(vote_id, cast_at)] = sql("SELECT id, cast_at FROM polls_vote")
    assert f"/admin/polls/vote/{vote_id}/" not in admin.get("/admin/polls/vote/?all=&q=the-key").content.decode()
    for path in ("change", "history", "delete"):
        page = admin.get(f"/admin/polls/vote/{vote_id}/{path}/", follow=True).content.decode()
        assert "Secret ballot" not in page
    page = admin.get(f"/admin/polls/poll/{poll.id}/change/").content.decode()
    assert f"{cast_at:%M:%S}" not in page


def test_votes_are_read_only_and_tell_neither_voter_nor_choice(admin, make_poll, vote, sql):
    poll = make_poll(named=True)
    vote(poll, "the-key-of-ann", poll.options[:1])
    [(vote_id,)] = sql("SELECT id FROM polls_vote")
    for address in ("/admin/polls/vote/", f"/admin/polls/vote/{vote_id}/change/"):
        page = admin.get(address).content.decode()
        assert "Poll 1" in page
        assert "the-key-of-ann" not in page
        assert "Option 1" not in page
    assert "the-key-of-ann" not in admin.get(f"/admin/polls/vote/{vote_id}/history/").content.decode()
    assert admin.get("/admin/polls/vote/add/").status_code == 403
    assert admin.post(f"/admin/polls/vote/{vote_id}/change/", {}).status_code == 403
    assert admin.post(f"/admin/polls/vote/{vote_id}/delete/", {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [vote_id], "post": "yes"}
    admin.post("/admin/polls/vote/", action)
    assert sql("SELECT id FROM polls_vote") == [(vote_id,)]


def test_votes_of_others_are_listed_for_staff_who_may_see_who_chose_what(staff_with, make_poll, vote, sql):
    poll = make_poll(named=True, title="Named poll")
    vote(poll, "user:1", poll.options[:1])
    path = f"/admin/polls/vote/{sql('SELECT id FROM polls_vote')[0][0]}/change/"
    for client, shown in (
        (staff_with("view_vote"), False),
        (staff_with("view_vote", "view_results", "manage_poll"), False),
        (staff_with("view_vote", "view_choices"), True),
    ):
        assert ("Named poll" in client.get("/admin/polls/vote/").content.decode()) == shown
        assert client.get(path).status_code == (200 if shown else 302)
    assert staff_with("view_choices").get("/admin/polls/vote/").status_code == 403


def test_own_votes_of_named_polls_are_listed_for_their_owner(client, django_user_model, make_poll, vote):
    user = allow(django_user_model.objects.create_user("olga", is_staff=True), "view_vote")
    client.force_login(user)
    poll = make_poll(named=True, title="Named poll", owner_id=user.pk)
    vote(poll, "user:1", poll.options[:1])
    assert "Named poll" in client.get("/admin/polls/vote/").content.decode()


@pytest.mark.parametrize("permissions", [(), ("manage_poll", "view_results"), ("view_results", "view_choices")])
def test_poll_of_others_is_not_taken_over_in_the_admin(staff_with, users, own_poll, sql, permissions):
    """Its owner sees everything, so who makes themselves the owner would."""
    poll = own_poll(results="owner")
    member = staff_with("view_poll", "change_poll", *permissions)
    page = member.get(f"/admin/polls/poll/{poll.id}/change/").content.decode()
    assert 'name="owner"' not in page
    fields = poll_form((), kept=Option.objects.all(), owner=users["stranger"].pk, results="always")
    assert member.post(f"/admin/polls/poll/{poll.id}/change/", fields).status_code == 302
    seen = "always" if "view_results" in permissions else "owner"
    assert sql("SELECT owner_id, results FROM polls_poll") == [(users["owner"].pk, seen)]


def test_poll_is_handed_over_by_staff_with_every_permission_and_by_its_owner(staff_with, users, own_poll, sql):
    poll = own_poll(results="owner")
    path = f"/admin/polls/poll/{poll.id}/change/"
    members = [staff_with("view_poll", "change_poll", *EVERYTHING), Client()]
    members[1].force_login(allow(users["staff"], "view_poll", "change_poll"))
    for member, to in zip(members, ("staff", "stranger"), strict=True):
        fields = poll_form((), kept=Option.objects.all(), owner=users[to].pk, results="always")
        assert member.post(path, fields).status_code == 302
        assert sql("SELECT owner_id, results FROM polls_poll") == [(users[to].pk, "always")]


def test_deletion_of_polls_does_not_count_their_votes(admin, make_poll, vote):
    poll = make_poll(title="Held")
    for number in range(3):
        vote(poll, f"voter {number}", poll.options[:1])
    chosen = {"action": "delete_selected", "_selected_action": [poll.id]}
    page = admin.post("/admin/polls/poll/", chosen).content.decode()
    assert "Held" in page
    assert not re.search(r"polls/vote/\d|\bvote \d", page)
    assert admin.get(f"/admin/polls/poll/{poll.id}/delete/").status_code == 403


def test_events_tell_counts_of_entries_to_staff_who_may_see_results(staff_with, admin, closed_poll, drawn):
    poll = closed_poll(results="owner")
    draw = drawn(poll)
    told = ("entries", draw.entries_hash, draw.alternates[0])
    pages = [
        client.get("/admin/polls/event/?action=" + action).content.decode()
        for client in (staff_with("view_event"), staff_with("view_event", "view_results"), admin)
        for action in ("entries+added", "draw+added")
    ]
    hidden, shown, shown_too = ("".join(pages[start : start + 2]) for start in (0, 2, 4))
    assert [text in hidden for text in told[1:]] == [False, False]
    assert [text in page for text in told[1:] for page in (shown, shown_too)] == [True] * 4
    [event] = Event.objects.filter(action="entries added")
    member = staff_with("view_event", "view_poll")
    assert draw.entries_hash not in member.get(f"/admin/polls/event/{event.pk}/change/").content.decode()
    assert draw.entries_hash in admin.get(f"/admin/polls/event/{event.pk}/change/").content.decode()


@pytest.mark.parametrize("model", ["vote", "option", "invite", "tally", "turnout", "draw", "entries", "secret"])
def test_search_as_one_types_finds_no_votes(admin, make_poll, vote, model):
    poll = make_poll(named=True)
    vote(poll, "ann", poll.options[:1])
    for field in ("poll", "voter", "choices", "option"):
        asked = {"app_label": "polls", "model_name": model, "field_name": field, "term": "ann"}
        answer = admin.get("/admin/autocomplete/", asked)
        assert answer.status_code == 403 or "ann" not in answer.content.decode()


def test_being_staff_leads_to_no_address_of_a_poll(admin, staff_with, make_poll, vote):
    """Ids can be counted through, and the address of a poll that is not listed is its secret."""
    poll = make_poll(listed=False)
    vote(poll, "ann", poll.options[:1])
    for client in (staff_with(), admin):
        for model in (Poll, Vote):
            kind = ContentType.objects.get_for_model(model).pk
            answers = [client.get(f"/admin/r/{kind}/{number}/") for number in (model.objects.get().pk, 10**9)]
            assert [answer.status_code for answer in answers] == [404, 404]
    page = admin.get(f"/admin/polls/poll/{poll.id}/change/").content.decode()
    assert f'<a href="/polls/{poll.slug}/" class="viewsitelink">' in page


def test_form_about_a_poll_that_has_changed_is_not_saved_and_shows_both(admin, make_poll, sql):
    poll = make_poll(listed=True)
    address = f"/admin/polls/poll/{poll.id}/change/"
    fields = poll_form((), kept=Option.objects.all(), title="Typed", opens_at_0="2025-01-01") | guarded(admin, address)
    fields["options-2-DELETE"] = "on"
    sql("UPDATE polls_poll SET description = 'Bring spoons', results = 'owner'")
    sql("INSERT INTO polls_option (poll_id, text, position) VALUES (%s, 'Vegan', 9)", poll.id)
    before = sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option")
    page = admin.post(address, fields).content.decode()
    assert "This poll has changed since you opened this page, and nothing was saved." in page
    assert "The options are now: “Option 1”, “Option 2”, “Option 3”, “Vegan”." in page
    assert "Saved now: Poll 1" in page
    assert "Saved now: Bring spoons" in page
    assert "Saved now: only the owner" in page
    assert page.count("Saved now:") == 4  # and the opening, which the form says otherwise
    assert 'value="Typed"' in page
    assert (sql("SELECT * FROM polls_poll"), sql("SELECT * FROM polls_option")) == before
    # Saving again is a decision, and takes out no option that the form has never shown.
    again = fields | {"seen_revision": filled(page)["seen_revision"]}
    assert admin.post(address, again).status_code == 302
    assert sql("SELECT title FROM polls_poll") == [("Typed",)]
    assert [text for (text,) in sql("SELECT text FROM polls_option ORDER BY position")] == [
        "Option 1",
        "Option 2",
        "Vegan",
    ]


@pytest.mark.parametrize("revision", ["x", "99"])
def test_revision_that_is_none_saves_nothing(admin, make_poll, sql, revision):
    poll = make_poll()
    fields = poll_form((), kept=Option.objects.all(), title="Typed", seen_revision=revision)
    assert admin.post(f"/admin/polls/poll/{poll.id}/change/", fields).status_code == 200
    assert sql("SELECT title FROM polls_poll") == [("Poll 1",)]


def test_correction_in_a_form_about_a_poll_that_has_changed_is_not_made(admin, make_poll, vote, sql):
    poll = make_poll(title="Tee?")
    vote(poll, "ann", poll.options[:1])
    address = f"/admin/polls/poll/{poll.id}/change/"
    seen = guarded(admin, address)
    sql("INSERT INTO polls_correction (poll_id, field, after, reason) VALUES (%s, 'title', 'Tea?', 'typo')", poll.id)
    correction = {"corrections-TOTAL_FORMS": 1, "corrections-0-field": "title", "corrections-0-after": "Thee?"}
    response = admin.post(address, poll_form((), **correction, **{"corrections-0-reason": "typo"}, **seen))
    assert "This poll has changed since you opened this page" in response.content.decode()
    assert sql("SELECT title FROM polls_poll") == [("Tea?",)]


@pytest.mark.parametrize(
    "change", ["UPDATE polls_poll SET title = 'Meanwhile'", "DELETE FROM polls_option WHERE id = {}"]
)
def test_change_under_way_is_waited_for_and_then_not_overwritten(
    admin, make_poll, sql, connections_to_test_database, change
):
    poll = make_poll()
    address = f"/admin/polls/poll/{poll.id}/change/"
    fields = poll_form((), kept=Option.objects.all(), title="Typed", opens_at_0="2025-01-01") | guarded(admin, address)
    answers = []

    def save():
        answers.append(admin.post(address, fields))
        connection.close()

    changing = connections_to_test_database()
    changing.autocommit = False
    with changing.cursor() as cursor:
        cursor.execute(change.format(poll.options[2]))
    saving = threading.Thread(target=save)
    saving.start()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_until(lambda: sql(waiting) == [(1,)] or not saving.is_alive())
    assert not answers
    changing.commit()
    saving.join(timeout=20)
    assert "This poll has changed since you opened this page" in answers[0].content.decode()
    assert sql("SELECT title FROM polls_poll WHERE title = 'Typed'") == []
