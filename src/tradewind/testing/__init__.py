"""Conformance suites: subclass one in your tests, and pytest checks that your space or algorithm works."""
