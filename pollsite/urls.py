"""The site's URLs: the admin's, and those of the polls app."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("polls.urls")),  # first, because it closes one address of the admin
    path("admin/", admin.site.urls),
]
