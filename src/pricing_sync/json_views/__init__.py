"""The answers as JSON: one definition for the command line, HTTP and its document."""
