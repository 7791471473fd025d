"""Addresses of the pages."""

from django.contrib.auth.views import LogoutView, PasswordChangeDoneView, PasswordChangeView
from django.urls import path, reverse_lazy

from polls.admin.shortcut import shortcut
from polls.views import (
    accounts,
    ballot,
    bundle,
    create,
    draws,
    edit,
    front_page,
    health,
    history,
    invite_link,
    invites,
    language,
    manage,
    my_polls,
    receipt,
    receipt_list,
    results,
    sharing,
    vote_log,
)

app_name = "polls"

urlpatterns = [
    # Those that are requested most come first: Django tries one after the other.
    path("", front_page.front_page, name="front_page"),
    path("healthz", health.healthz, name="healthz"),
    path("polls/new/", create.create, name="create"),  # before the slugs
    path("polls/<slug:slug>/", ballot.poll, name="poll"),
    path("polls/<slug:slug>/results/", results.results, name="results"),
    path("polls/<slug:slug>/results.json", results.results_json, name="results_json"),
    path("language/<str:code>/", language.language, name="language"),
    # Accounts
    path("accounts/login/", accounts.sign_in, name="sign_in"),
    path("accounts/logout/", LogoutView.as_view(), name="sign_out"),
    path("accounts/new/", accounts.sign_up, name="sign_up"),
    path(
        "accounts/password/",
        PasswordChangeView.as_view(
            template_name="accounts/password_change.html", success_url=reverse_lazy("polls:password_change_done")
        ),
        name="password_change",
    ),
    path(
        "accounts/password/done/",
        PasswordChangeDoneView.as_view(template_name="accounts/password_change_done.html"),
        name="password_change_done",
    ),
    # Voting and results
    path("polls/<slug:slug>/withdraw/", ballot.withdraw, name="withdraw"),
    path("polls/<slug:slug>/receipt/", receipt.receipt, name="receipt"),
    path("polls/<slug:slug>/invitation/", invite_link.invitation, name="invitation"),
    path("polls/<slug:slug>/results.csv", results.results_csv, name="results_csv"),
    path("polls/<slug:slug>/history/", history.history, name="history"),
    path("polls/<slug:slug>/history.txt", history.history_txt, name="history_txt"),
    path("polls/<slug:slug>/checkpoints.json", bundle.checkpoints_json, name="checkpoints_json"),
    path("polls/<slug:slug>/bundle.json", bundle.bundle_json, name="bundle_json"),
    path("polls/<slug:slug>/receipts/", receipt_list.receipt_list, name="receipt_list"),
    path("polls/<slug:slug>/wall/", results.wall, name="wall"),
    path("polls/<slug:slug>/embed/", results.embed, name="embed"),
    path("polls/<slug:slug>/qr.svg", sharing.qr_code, name="qr_code"),
    path("s/<slug:code>/", sharing.short_link, name="short_link"),
    path("i/<str:token>/", invite_link.invite_link, name="invite_link"),
    # Draws
    path("polls/<slug:slug>/draw/", draws.draw_create, name="draw_create"),
    path("polls/<slug:slug>/draws/", draws.draw_list, name="draw_list"),
    path("polls/<slug:slug>/draws/<int:number>/", draws.draw, name="draw"),
    path("polls/<slug:slug>/draws/<int:number>/entries.txt", draws.entries_txt, name="draw_entries"),
    # Managing polls
    path("mine/", my_polls.my_polls, name="my_polls"),
    path("polls/<slug:slug>/manage/", manage.manage, name="manage"),
    path("polls/<slug:slug>/manage/<str:action>/", manage.change_state, name="change_state"),
    path("polls/<slug:slug>/edit/", edit.edit, name="edit"),
    path("polls/<slug:slug>/times/", edit.schedule, name="schedule"),
    path("polls/<slug:slug>/correct/", edit.correct, name="correct"),
    path("polls/<slug:slug>/preview/", edit.preview, name="preview"),
    path("polls/<slug:slug>/delete/", manage.delete, name="delete"),
    path("polls/<slug:slug>/votes.csv", vote_log.votes_csv, name="votes_csv"),
    path("polls/<slug:slug>/votes.json", vote_log.votes_json, name="votes_json"),
    # Invitations
    path("polls/<slug:slug>/invites/", invites.invite_list, name="invite_list"),
    path("polls/<slug:slug>/invites/add/", invites.invite_add, name="invite_add"),
    path("polls/<slug:slug>/invites/links.csv", invites.invite_links_csv, name="invite_links_csv"),
    path("polls/<slug:slug>/invites/slips/", invites.invite_slips, name="invite_slips"),
    path("polls/<slug:slug>/invites/<int:invite_id>/revoke/", invites.invite_revoke, name="invite_revoke"),
    path("polls/<slug:slug>/invites/<int:invite_id>/reissue/", invites.invite_reissue, name="invite_reissue"),
    # Instead of Django's
    path("admin/r/<path:rest>", shortcut, name="admin_shortcut"),
    # For machines
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
