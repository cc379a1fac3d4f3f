"""The conformance suite for Kusari backends: ``pytest --pyargs kusari_testkit.conformance --backend NAME``."""
