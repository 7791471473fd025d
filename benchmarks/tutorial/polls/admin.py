"""The admin, as at the end of part 2."""

from django.contrib import admin

from .models import Question

admin.site.register(Question)
