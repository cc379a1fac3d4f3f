"""What pytest leaves out here: files that need Sphinx."""

collect_ignore = ["conf.py", "public_names.py"]
