"""The forms of the pages: what a browser sends, checked before a connection is taken."""
