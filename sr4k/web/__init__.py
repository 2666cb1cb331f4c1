"""The service over HTTP: the interface for programs, and the page for people. Needs the extra ``[web]``."""
