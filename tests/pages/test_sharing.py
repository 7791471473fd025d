"""Sharing a poll: the short address, the QR code, and the preview in a chat."""

from tests.support.responses import text_of


def test_short_address_leads_to_the_poll(client, make_poll):
    poll = make_poll(slug="where-to-eat-x7k2m9c4tq")
    make_poll(slug="draft-bcd2345fgh", opens_in=None)
    response = client.get("/s/x7k2m9c4tq/")
    assert (response.status_code, response["Location"]) == (303, f"/polls/{poll.slug}/")
    for code in ("bcd2345fgh", "nowhere", "x7k2m9c4t", "%00", "é" * 300):
        assert client.get(f"/s/{code}/").status_code == 404


def test_qr_code_is_a_picture_of_the_short_address(client, make_poll):
    response = client.get("/polls/where-to-eat-x7k2m9c4tq/qr.svg")
    assert response["Content-Type"] == "image/svg+xml"
    assert "public" in response["Cache-Control"]
    assert b'viewBox="0 0' in response.content
    other = client.get("/polls/another-title-x7k2m9c4tq/qr.svg")
    assert other.content == response.content
    assert client.get("/polls/where-to-eat-x7k2m9c4tr/qr.svg").content != response.content


def test_preview_in_a_chat_tells_the_question_and_no_result(client, make_poll, vote):
    poll = make_poll(title='Tea & "coffee"?', description="Which one?", listed=False)
    vote(poll, "ann", poll.options[:1])
    for path in ("", "results/", "wall/"):
        head = text_of(client.get(f"/polls/{poll.slug}/{path}")).split("</head>")[0]
        assert '<meta property="og:title" content="Tea &amp; &quot;coffee&quot;?">' in head
        assert '<meta property="og:description" content="Which one?">' in head
        assert f'<meta property="og:url" content="http://testserver/polls/{poll.slug}/">' in head
        assert "noindex" in head
        assert "Option 1" not in head
