"""Languages: complete catalogues without errors, and pages in each language."""

import gettext
import re
import shutil
from html import escape

import polib
import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import translation

from polls.views.draws import REFUSALS
from tests.support.paths import BASE_DIR
from tests.support.responses import text_of

LANGUAGES = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%%|\{\w*\}")
TAG = re.compile(r"</?\w+[^>]*>")
MOST_COUNTED = 1_000_001  # Spanish has a form for millions; Arabic needs less


def messages(entries):
    """The messages to be translated, without the header."""
    return {(entry.msgctxt, entry.msgid, entry.msgid_plural) for entry in entries if entry.msgid}


def translations(entries):
    return {
        (entry.msgctxt, entry.msgid): entry.msgstr_plural or entry.msgstr for entry in entries if not entry.obsolete
    }


def texts_of(entry):
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def folder(code):
    return BASE_DIR / "polls" / "locale" / code / "LC_MESSAGES"


@pytest.fixture(scope="module", params=LANGUAGES)
def code(request):
    return request.param


@pytest.fixture(scope="module")
def catalogue(code):
    return polib.pofile(str(folder(code) / "django.po"))


@pytest.fixture(scope="module")
def forms(catalogue):
    """The number of plural forms of a language, and the forms that stand for a single number."""
    number, rule = re.fullmatch(r"nplurals=(\d+); plural=(.+);", catalogue.metadata["Plural-Forms"]).groups()
    form_of = gettext.c2py(rule)
    counted = [form_of(count) for count in (*range(300), MOST_COUNTED - 1, 2 * (MOST_COUNTED - 1))]
    return int(number), {form for form in range(int(number)) if counted.count(form) == 1}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The messages that makemessages finds, in a copy of the app."""
    if shutil.which("xgettext") is None:
        pytest.skip("makemessages needs xgettext, of GNU gettext")
    place = tmp_path_factory.mktemp("messages")
    shutil.copytree(BASE_DIR / "polls", place / "polls", ignore=shutil.ignore_patterns("__pycache__", "static"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        call_command("makemessages", locale=["de"], no_location=True, keep_pot=True, verbosity=0)
    return messages(polib.pofile(str(place / "polls" / "locale" / "django.pot")))


def test_every_text_is_translated(catalogue):
    assert len(catalogue) > 400
    assert [entry.msgid for entry in catalogue.untranslated_entries()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []
    assert [entry.msgid for entry in catalogue.obsolete_entries()] == []


def test_every_text_of_the_site_is_in_the_catalogue_and_no_other(catalogue, found):
    known = messages(catalogue)
    assert (found - known, known - found) == (set(), set())


def test_placeholders_and_markup_are_those_of_the_text(catalogue, forms):
    wrong = []
    for entry in catalogue:
        for form, text in enumerate(texts_of(entry)):
            source = entry.msgid_plural if entry.msgid_plural and form else entry.msgid
            wanted, given = (sorted(PLACEHOLDER.findall(each)) for each in (source, text))
            # "One vote" needs no number.
            spared = 1 if entry.msgid_plural and form in forms[1] else 0
            missing = [each for each in wanted if each not in given]
            if sorted(given + missing) != wanted or len(missing) > spared:
                wrong.append((entry.msgid, text))
            if sorted(TAG.findall(source)) != sorted(TAG.findall(text)):
                wrong.append((entry.msgid, text))
            if not PLACEHOLDER.sub("", text).strip() and PLACEHOLDER.sub("", source).strip():
                wrong.append((entry.msgid, text))
    assert wrong == []


def test_every_plural_has_the_forms_of_the_language(code, catalogue, forms):
    assert forms[0] == {"de": 2, "es": 3, "fr": 2, "ar": 6}[code]
    plurals = [entry for entry in catalogue if entry.msgid_plural]
    assert plurals
    assert [entry.msgid for entry in plurals if sorted(entry.msgstr_plural) != list(range(forms[0]))] == []


def test_compiled_catalogue_says_what_the_source_says(code, catalogue):
    compiled = polib.mofile(str(folder(code) / "django.mo"))
    assert translations(compiled) == translations(catalogue)


def test_french_keeps_its_punctuation_on_the_line():
    catalogue = polib.pofile(str(folder("fr") / "django.po"))
    texts = [text for entry in catalogue for text in texts_of(entry)]
    assert [text for text in texts if re.search(" [:;?!»]|« ", text)] == []


SENTENCES = {
    "de": ("Es wurde noch nicht ausgelost.", "Noch ist niemand eingeladen."),
    "es": ("Aún no se ha hecho ningún sorteo.", "Aún no has invitado a nadie."),
    "fr": ("Aucun tirage au sort n’a encore eu lieu.", "Personne n’est encore invité."),
    "ar": ("لم تُجرَ أي قرعة بعد.", "لم يُدعَ أحد بعد."),
}


def test_pages_speak_the_language_that_the_browser_asks_for(client, code, make_poll, django_user_model):
    owner = django_user_model.objects.create_user("owner")
    closed = make_poll(closes_in="-1 minute", owner_id=owner.pk)
    invited = make_poll(audience="invite", owner_id=owner.pk)
    client.force_login(owner)
    headers = {"Accept-Language": code}
    draws = client.get(f"/polls/{closed.slug}/draws/", headers=headers).content.decode()
    invitations = client.get(f"/polls/{invited.slug}/invites/", headers=headers).content.decode()
    for page, sentence in zip((draws, invitations), SENTENCES[code], strict=True):
        assert sentence in page
        assert f'<html lang="{code}" dir="{"rtl" if code == "ar" else "ltr"}">' in page


def test_line_of_a_list_that_is_wrong_is_named_in_the_language(client, code, make_poll, django_user_model):
    owner = django_user_model.objects.create_user("owner")
    poll = make_poll(audience="invite", owner_id=owner.pk)
    client.force_login(owner)
    response = client.post(
        f"/polls/{poll.slug}/invites/add/", {"people": "Ann\n\nann", "check": ""}, headers={"Accept-Language": code}
    )
    page = response.content.decode()
    with translation.override(code):
        # In a list, so that makemessages does not find them.
        empty, same = map(translation.gettext, ["is empty", "is the same as line %(first)d"])
    assert empty != "is empty"
    assert escape(f"2 {empty}.") in page
    assert escape(same % {"first": 1}) in page


def test_every_refusal_of_a_draw_by_the_database_can_be_said_in_other_languages(sql):
    sources = sql("SELECT prosrc FROM pg_proc WHERE proname LIKE 'polls%%'")
    refuse = r"polls_refuse\(\s*'polls_draw_(\w+)',\s*'([^']+)'"
    said = {f"{text}." for [source] in sources for rule, text in re.findall(refuse, source) if rule != "read_committed"}
    assert "Another draw was made meanwhile." in said
    assert said - REFUSALS == set()


@pytest.mark.parametrize(
    ("header", "start"), [("ar", '<html lang="ar" dir="rtl">'), ("xx", '<html lang="en" dir="ltr">')]
)
def test_page_names_its_language_and_direction(client, conn, header, start):
    assert start in text_of(client.get("/", headers={"Accept-Language": header}))


@pytest.mark.parametrize(
    ("target", "leads"),
    [("/polls/x/?a=1", "/polls/x/?a=1"), ("https://evil.example/", "/"), ("//evil.example", "/"), ("", "/")],
)
def test_language_is_kept_and_leads_back_to_this_site_only(client, target, leads):
    response = client.get("/language/es/", {"next": target})
    assert (response.status_code, response["Location"]) == (302, leads)
    cookie = client.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie.value, cookie["samesite"]) == ("es", "Lax")
    assert client.get("/language/xx/").status_code == 404
