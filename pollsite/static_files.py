"""Static files: under names with a hash of their content once they are collected, and under plain names before."""

from typing import Any

from django.contrib.staticfiles import finders
from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Django's storage with a manifest, compressed by whitenoise, where the files do not have to be collected first.

    A page names a file by the hash that the manifest gives, unless the file is not in it or files have changed since:
    a stylesheet that was edited is never hidden by a copy of what it was.
    """

    def is_collected(self) -> bool:
        """Return whether the files were collected after the last change to any of them."""
        if not self.manifest_storage.exists(self.manifest_name):
            return False
        collected_at = self.manifest_storage.get_modified_time(self.manifest_name)
        return all(
            storage.get_modified_time(name) <= collected_at
            for finder in finders.get_finders()
            for name, storage in finder.list(None)
        )

    def load_manifest(self) -> tuple[dict[str, str], str]:
        """Return the names with hashes by the plain ones, none where they are out of date."""
        if not self.is_collected():
            return {}, ""
        names, digest = super().load_manifest()
        return names, digest

    def stored_name(self, name: str, **options: Any) -> str:
        """Return the name with the hash, or the plain one."""
        return str(self.hashed_files.get(self.hash_key(self.clean_name(name)), name))
