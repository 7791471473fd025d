"""Addresses of the pages."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from polls.views import ballot, lists, results

urlpatterns = [
    path("accounts/login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("", lists.poll_list, name="poll-list"),
    path("polls/<slug:slug>/", ballot.poll, name="poll"),
    path("polls/<slug:slug>/withdraw/", ballot.withdraw, name="withdraw"),
    path("polls/<slug:slug>/results/", results.results, name="results"),
    path("polls/<slug:slug>/results.json", results.results_json, name="results-json"),
    path("polls/<slug:slug>/results.csv", results.results_csv, name="results-csv"),
]
