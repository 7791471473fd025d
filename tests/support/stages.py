"""Every page and state of the site for a browser: how to make it, and what to do there."""

from typing import NamedTuple

import pytest

LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft " * 2
DESCRIPTION = "We meet on the first Saturday of May.\n\nBring what you like; there is a fridge."
NARROW = {"width": 320, "height": 640}
WIDE = {"width": 1280, "height": 800}


class Stage(NamedTuple):
    """The fixtures with which states are made."""

    make_poll: object
    vote: object
    sql: object
    owner_sql: object
    client: object
    user: object

    def poll(self, texts=("Lakeside", "Old mill", "Town hall"), votes=(), **columns):
        columns = {"title": "Where shall we have the summer party?", **columns}
        poll = self.make_poll(options=len(texts), **columns)
        for option, text in zip(poll.options, texts, strict=True):
            self.sql("UPDATE polls_option SET text = %s WHERE id = %s", text, option)
        for option, number in zip(poll.options, votes, strict=False):
            for voter in range(number):
                self.vote(poll, f"{option}-{voter}", [option])
        return poll

    def closed(self, *args, **columns):
        poll = self.poll(*args, **columns)
        # The triggers keep the times of votes; a state needs votes of the last hours.
        self.owner_sql("ALTER TABLE polls_vote DISABLE TRIGGER USER")
        self.owner_sql("ALTER TABLE polls_poll DISABLE TRIGGER USER")
        self.owner_sql("UPDATE polls_vote SET cast_at = now() - interval '3 hours' * pow(sin(id), 2)")
        self.owner_sql(
            "UPDATE polls_poll SET opens_at = now() - interval '4 hours', closes_at = now() - interval '1 minute'"
        )
        self.owner_sql("ALTER TABLE polls_vote ENABLE TRIGGER USER")
        self.owner_sql("ALTER TABLE polls_poll ENABLE TRIGGER USER")
        return poll


def ballot(poll):
    return f"/polls/{poll.slug}/"


def results(poll):
    return f"/polls/{poll.slug}/results/"


def history(poll):
    return f"/polls/{poll.slug}/history/"


def reopened(stage):
    """A poll that was closed, and opened again with more people and other times."""
    poll = stage.poll(title=LONG[:150], audience="invite", results="owner")
    for change in ("closes_at = clock_timestamp()", "closes_at = NULL", "closes_at = now() + interval '2 days'"):
        stage.sql(f"UPDATE polls_poll SET {change}")
    stage.sql("INSERT INTO polls_invite (poll_id, label, token_hash) VALUES (%s, 'Ann', 'a')", poll.id)
    stage.sql("UPDATE polls_poll SET results = 'always', title = 'Where?'")
    return poll


def receipts(poll):
    return f"/polls/{poll.slug}/receipts/"


def wall(poll):
    return f"/polls/{poll.slug}/wall/"


def embed(poll):
    return f"/polls/{poll.slug}/embed/"


def send_nothing(page):
    page.locator("form button.primary").click()


def vote_for_first(page):
    page.locator(".option").first.click()
    page.locator("form button.primary").click()
    page.wait_for_url("**/results/")


def vote_and_come_back(page):
    path = page.url
    vote_for_first(page)
    page.goto(path)


def search_nothing(page):
    page.get_by_role("searchbox").fill("zeppelin")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=zeppelin**")


def open_all(page):
    for summary in page.locator("summary").all():
        summary.click()


SIX = ("Lakeside", "Old mill", "Town hall", "Beach", "My garden", "Nowhere")


# name: (a function that makes it and returns its path, what to do there)
STATES = {
    "list-empty": (lambda stage: "/", None),
    "list": (lambda stage: [stage.poll(title=title) for title in ("One?", "Two?", LONG[:150])] and "/", None),
    "list-nothing-found": (lambda stage: "/", search_nothing),
    "ballot-one": (lambda stage: ballot(stage.poll(description=DESCRIPTION, closes_in="2 days")), None),
    "ballot-several": (lambda stage: ballot(stage.poll(SIX, min_choices=2, max_choices=4, named=True)), None),
    "ballot-long": (lambda stage: ballot(stage.poll((LONG, "b" * 150, "c"), title=LONG)), None),
    "ballot-error": (lambda stage: ballot(stage.poll()), send_nothing),
    "ballot-voted": (lambda stage: ballot(stage.poll()), vote_and_come_back),
    "ballot-change": (lambda stage: ballot(stage.poll(changeable=True)), vote_and_come_back),
    "ballot-scheduled": (lambda stage: ballot(stage.poll(opens_in="3 days")), None),
    "ballot-closed": (lambda stage: ballot(stage.closed()), None),
    "ballot-archived": (lambda stage: ballot(stage.poll(archived_at="2026-01-01")), None),
    "ballot-account": (lambda stage: ballot(stage.poll(audience="account")), None),
    "ballot-invite": (lambda stage: ballot(stage.poll(audience="invite")), None),
    "ballot-all-open": (lambda stage: ballot(stage.poll()), open_all),
    "results-nobody": (lambda stage: results(stage.poll()), None),
    "results-voted": (lambda stage: ballot(stage.poll(votes=(3, 8, 5), changeable=True)), vote_for_first),
    "results-tie": (lambda stage: results(stage.poll(votes=(4, 4, 1))), None),
    "results-all-for-one": (lambda stage: results(stage.poll(votes=(0, 2))), None),
    "results-six": (lambda stage: results(stage.poll(SIX, votes=(21, 13, 8, 5, 3, 1))), None),
    "results-several-choices": (lambda stage: results(stage.poll(SIX, votes=(9, 4), max_choices=3)), None),
    "results-long": (lambda stage: results(stage.poll((LONG, "b" * 150, "c"), votes=(2, 9, 1), title=LONG)), None),
    "results-many-options": (lambda stage: results(stage.poll([str(n) for n in range(30)], votes=range(20))), None),
    "results-closed": (lambda stage: results(stage.closed(SIX, votes=(31, 13, 18, 5, 3, 1))), None),
    "results-all-open": (lambda stage: results(stage.closed(votes=(2, 1))), open_all),
    "results-hidden": (lambda stage: results(stage.poll(results="closed", closes_in="1 day")), None),
    "history": (lambda stage: history(stage.closed(votes=(3, 8, 5))), None),
    "history-changed": (lambda stage: history(reopened(stage)), None),
    "ballot-reopened": (lambda stage: ballot(reopened(stage)), None),
    "ballot-locked": (lambda stage: ballot(stage.poll(locked=True, recountable=True, closes_in="1 day")), None),
    "results-hidden-voted": (lambda stage: ballot(stage.poll(results="owner")), vote_for_first),
    "receipts": (lambda stage: receipts(stage.closed(votes=(60, 50))), None),
    "receipts-recountable": (lambda stage: receipts(stage.closed((LONG, "b"), votes=(3, 4), recountable=True)), None),
    "receipts-nothing-found": (lambda stage: receipts(stage.closed(votes=(3,))) + "?q=" + 32 * "0", None),
    "receipts-before-closing": (lambda stage: receipts(stage.poll(votes=(3,))), None),
    "wall": (lambda stage: wall(stage.poll(SIX, votes=(21, 13, 8, 5, 3, 1))), None),
    "wall-hidden": (lambda stage: wall(stage.poll(results="voted")), None),
    "embed": (lambda stage: embed(stage.poll(votes=(3, 5, 2))), None),
    "embed-hidden": (lambda stage: embed(stage.poll(results="closed")), None),
    "sign-in": (lambda stage: "/accounts/login/", None),
    "sign-in-error": (lambda stage: "/accounts/login/", lambda page: sign_in_wrongly(page)),
    "sign-up": (lambda stage: "/accounts/new/", None),
    "not-found": (lambda stage: "/nowhere/", None),
    "invitation-unknown": (lambda stage: "/i/nobody-was-sent-this/", None),
}


def owner_of(stage):
    """The id of the owner who is signed in."""
    [owner] = stage.user.objects.filter(username="ann")
    return owner.pk


def owned(stage, **columns):
    """A poll with some votes of the owner who is signed in."""
    return stage.poll(votes=(3, 5, 2), owner_id=owner_of(stage), **columns)


def of_owner(name, **columns):
    """The path of a page about a poll of the owner's."""
    return lambda stage: f"/polls/{owned(stage, **columns).slug}/{name}"


def draft_of_owner(name):
    """The path of a page about a draft of the owner's."""

    def make(stage):
        [owner] = stage.user.objects.filter(username="ann")
        return f"/polls/{stage.poll(owner_id=owner.pk, opens_in=None).slug}/{name}"

    return make


def closed_of_owner(name, *, drawn=0):
    """The path of a page about a closed poll of the owner's with `drawn` draws: among an option's voters, then all."""

    def make(stage):
        poll = owned(stage)
        stage.sql("UPDATE polls_poll SET closes_at = now()")
        for number, option in list(enumerate([poll.options[1], "all"], 1))[:drawn]:
            fields = {"option": option, "number": number, "reason": "Once more"}
            stage.client.post(f"/polls/{poll.slug}/draw/", fields)
        return f"/polls/{poll.slug}/{name}"

    return make


def check_list(page):
    page.get_by_label("People, one a line").fill("Ann Meyer\nبسمة خالد\n" + LONG[:150])
    page.locator("button[name=check]").click()


def check_wrong_list(page):
    page.get_by_label("People, one a line").fill("Ann\nAnn\n" + "x" * 300)
    page.locator("button[name=check]").click()
    page.get_by_role("alert").wait_for()


def make_links(page):
    check_list(page)
    page.locator("button[name=create]").click()
    page.locator("td code").first.wait_for()


def print_slips(page):
    make_links(page)
    page.locator("form[target]").evaluate("form => form.removeAttribute('target')")
    page.locator("button[name=first]").click()
    page.locator(".slips").wait_for()


def list_invited(page):
    make_links(page)
    page.locator("main a[href$='/invites/']").click()
    page.locator("td button").first.wait_for()


def give_new_link(page):
    list_invited(page)
    page.locator("td button").first.click()
    page.locator(".slips").wait_for()


def revoke_link(page):
    list_invited(page)
    page.locator("form[action*=revoke] button").first.click()
    page.get_by_text("revoked", exact=True).wait_for()


def save_what_has_changed(page):
    page.get_by_label("Question").fill("Where else?")
    page.locator("input[name=revision]").evaluate("field => { field.value = 9999 }")
    page.locator("form button.primary").click()
    page.get_by_role("alert").wait_for()


def make_nothing(page):
    page.locator("main button.primary").click()
    page.get_by_role("alert").wait_for()


inviting = of_owner("invites/add/", audience="invite", results="closed")


# The same for an owner who is signed in.
OWNERS_STATES = {
    "my-polls-none": (lambda stage: "/mine/", None),
    "my-polls": (
        lambda stage: [owned(stage), owned(stage, closes_in="1 day", title="Who brings cake?")] and "/mine/",
        None,
    ),
    "new": (lambda stage: "/polls/new/", None),
    "new-all-open": (lambda stage: "/polls/new/", open_all),
    "new-error": (lambda stage: "/polls/new/", make_nothing),
    "ballot": (of_owner(""), None),
    "results": (of_owner("results/"), None),
    "manage": (of_owner("manage/"), None),
    "manage-invite": (of_owner("manage/", audience="invite", closes_in="2 days"), None),
    "manage-draft": (draft_of_owner("manage/"), None),
    "manage-closed": (closed_of_owner("manage/"), None),
    "times": (of_owner("times/"), None),
    "correct": (of_owner("correct/"), None),
    "edit": (draft_of_owner("edit/"), None),
    "edit-changed": (draft_of_owner("edit/"), save_what_has_changed),
    "results-steps": (of_owner("results/", audience="account"), None),
    "results-withheld": (of_owner("results/", audience="invite", results="closed"), None),
    "times-secret": (
        lambda stage: f"/polls/{stage.closed(votes=(3, 1), audience='invite', owner_id=owner_of(stage)).slug}/times/",
        None,
    ),
    "preview": (draft_of_owner("preview/"), None),
    "delete": (draft_of_owner("delete/"), None),
    "draws": (of_owner("draws/"), None),
    "draw-form": (closed_of_owner("draw/"), None),
    "draws-of-both-kinds": (closed_of_owner("draws/", drawn=2), None),
    "draw": (closed_of_owner("draws/1/", drawn=1), None),
    "draw-all-open": (closed_of_owner("draws/1/", drawn=1), open_all),
    "draw-among-all": (closed_of_owner("draws/2/", drawn=2), None),
    "draw-form-again": (closed_of_owner("draw/", drawn=1), None),
    "manage-drawn": (closed_of_owner("manage/", drawn=1), None),
    "results-drawn": (closed_of_owner("results/", drawn=1), None),
    "invites": (of_owner("invites/", audience="invite"), None),
    "invites-add": (inviting, None),
    "invites-preview": (inviting, check_list),
    "invites-error": (inviting, check_wrong_list),
    "invites-links": (inviting, make_links),
    "invites-slips": (inviting, print_slips),
    "invites-list": (inviting, list_invited),
    "invites-withheld": (of_owner("invites/add/", audience="invite"), list_invited),
    "invites-new-link": (inviting, give_new_link),
    "invites-revoked": (inviting, revoke_link),
    "password": (lambda stage: "/accounts/password/", None),
}


ERRORS = {"400": {}, "403_csrf": {}, "429": {"seconds": 7}, "500": {}, "503": {"sent": True}}


def sign_in_wrongly(page):
    page.get_by_label("Username").fill("nobody")
    page.get_by_label("Password").fill("nothing")
    page.locator("button.primary").click()
    page.get_by_role("alert").wait_for()


@pytest.fixture
def stage(make_poll, vote, sql, owner_sql, client, django_user_model):
    return Stage(make_poll, vote, sql, owner_sql, client, django_user_model)


@pytest.fixture
def inspect(screenshot):
    """Check a page with axe, light and dark, and at 320 pixels, and save pictures of it."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def look(page, name):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            # Only the colours differ in the dark.
            found = axe.run(page, options={} if scheme == "light" else {"runOnly": ["color-contrast"]})
            assert found.violations_count == 0, found.generate_report()
            screenshot(page, f"{name}-{scheme}")
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(NARROW)
        screenshot(page, f"{name}-narrow")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"], "scrolls sideways"
        # A program keeps its lines, and may scroll inside.
        assert (
            page.evaluate(
                "[...document.querySelectorAll('main *')].filter(e => e.tagName !== 'PRE'"
                " && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto')"
                ".map(e => e.outerHTML.slice(0, 80))"
            )
            == []
        ), "scrolls sideways inside"

    return look


def draw_path(stage):
    """The path of a draw among everybody who voted."""
    poll = stage.closed(votes=(3, 5, 2))
    stage.sql("INSERT INTO polls_entries (poll_id) VALUES (%s)", poll.id)
    stage.sql("INSERT INTO polls_draw (poll_id, number) VALUES (%s, 1)", poll.id)
    return f"/polls/{poll.slug}/draws/1/"
